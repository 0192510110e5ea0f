#!/bin/sh
# Makes every sound and impulse response in this folder from nothing: sh assets/make.sh
# Needs sox 14.4.2 (-R: the same noise every time) and espeak-ng 1.51.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sox="sox -V1 -R -D"

# taps RATE FRAMES CHANNELS FILE LIST: single taps from a list of "ms level level .." lines.
taps() {
    printf '%s\n' "$5" | awk -v rate="$1" -v frames="$2" -v channels="$3" '
        { n = int($1 / 1000 * rate + 0.5); for (c = 1; c <= channels; c++) x[n, c] += $(c + 1) }
        END {
            print "; Sample Rate " rate; print "; Channels " channels
            for (n = 0; n < frames; n++) {
                printf "%.10f", n / rate
                for (c = 1; c <= channels; c++) printf " %.8f", x[n, c]
                print ""
            }
        }' > "$work/taps.dat"
    $sox "$work/taps.dat" -e float -b 32 "$work/$4"
}

# noise RATE CHANNELS SECONDS FILE: white noise, another stretch of it for every channel.
noise() {
    set -- "$@" ""
    for c in $(seq 1 "$2"); do
        $sox -n -r "$1" -e float -b 32 "$work/noise$c.wav" \
            synth "$((c * 5))" whitenoise vol 0.1 trim "$((c * 5 - 5))" "$3"
        set -- "$1" "$2" "$3" "$4" "$5 $work/noise$c.wav"
    done
    if [ "$2" = 1 ]; then cp "$work/noise1.wav" "$work/$4"; else $sox -M $5 "$work/$4"; fi
}

# decay RATE CHANNELS SECONDS FILE PRE LOW MID HIGH TOP: noise in four bands, each falling by
# 100 dB in the time given (RT60 = 0.6 of it), beginning after PRE seconds.
decay() {
    rate=$1 channels=$2 seconds=$3 file=$4 pre=$5
    band() {
        noise "$rate" "$channels" "$2" noise.wav
        $sox "$work/noise.wav" "$work/$1.wav" \
            sinc "$3" fade l 0 "$2" "$2" pad "$pre" "$seconds" trim 0 "$seconds"
    }
    band low "$6" 60-400
    band mid "$7" 400-2k
    band high "$8" 2k-6k
    band top "$9" 6k
    $sox -m -v 1 "$work/low.wav" -v 1 "$work/mid.wav" -v 1 "$work/high.wav" -v 1 "$work/top.wav" \
        "$work/$file" fade q 0 "$seconds" 0.05
}

# A dry voice: 48 kHz, mono, 16 bit, peak -3 dBFS.
espeak-ng -v en-gb -s 150 -p 45 -w "$work/voice.wav" \
    "Clap your hands in a cathedral, and listen: the room answers."
$sox "$work/voice.wav" -b 16 voice.wav vol 0.7 rate -v 48k silence 1 0.01 0.1% fade q 0.002 reverse \
    silence 1 0.01 0.1% fade q 0.02 reverse norm -3

# A hand clap: 48 kHz, stereo, 24 bit. Three quick bursts and a longer one, as drum machines do.
burst() {
    noise 48000 2 "$3" noise.wav
    $sox "$work/noise.wav" "$work/burst$1.wav" \
        sinc 700-5k fade l 0 "$3" "$3" vol "$4" pad "$2" 0.3 trim 0 0.3
}
burst 1 0 0.03 0.7 && burst 2 0.011 0.03 0.8 && burst 3 0.021 0.03 0.7 && burst 4 0.031 0.25 1
$sox -m -v 1 "$work/burst1.wav" -v 1 "$work/burst2.wav" -v 1 "$work/burst3.wav" \
    -v 1 "$work/burst4.wav" -b 24 clap.wav fade q 0 0.3 0.02 norm -1

# A plucked chord: 44.1 kHz, stereo, 16 bit.
$sox -r 44.1k -c 6 -n -b 16 guitar.wav synth 2.6 pl G2 pl B2 pl D3 pl G3 pl D4 pl G4 \
    delay 0 .05 .1 .15 .2 .25 remix 1,3v0.7,4,6v0.3 2,3v0.3,5,6v0.7 fade 0 2.6 0.3 norm -1

# A small room: 44.1 kHz, mono, 16 bit, RT60 0.3 s at mid frequencies.
taps 44100 17640 1 room-direct.wav '0 0.9
2.9 0.42
4.1 -0.31
5.3 0.36
7.6 0.25
8.8 -0.22
10.9 0.19
13.4 0.16
15.2 -0.14
17.9 0.12'
decay 44100 1 0.4 room-tail.wav 0.008 0.58 0.5 0.42 0.3
$sox -m -v 1 "$work/room-direct.wav" -v 1.8 "$work/room-tail.wav" -b 16 room.wav vol -10dB

# A hall: 48 kHz, stereo, 24 bit, RT60 1.3 s at mid frequencies.
taps 48000 76800 2 hall-direct.wav '0 0.5 0.5
17.3 0.24 0.16
21.8 0.12 0.25
29.4 0.19 0.14
34.9 -0.11 0.17
43.2 0.14 -0.12
52.7 0.10 0.13
61.5 0.12 0.08'
decay 48000 2 1.6 hall-tail.wav 0.03 2.5 2.15 1.7 1.0
$sox -m -v 1 "$work/hall-direct.wav" -v 0.9 "$work/hall-tail.wav" -b 24 hall.wav vol -10dB

# A studio in true stereo: 48 kHz, four channels LL LR RL RR, 24 bit, RT60 0.2 s.
taps 48000 14400 4 studio-direct.wav '0 0.8 0 0 0.8
0.29 0 0.45 0.45 0
3.7 0.3 0.18 0.14 0.2
5.2 0.12 0.22 0.17 0.31
9.4 0.16 0.1 0.12 0.13'
decay 48000 4 0.3 studio-tail.wav 0.005 0.4 0.34 0.3 0.2
$sox -m -v 1 "$work/studio-direct.wav" -v 1 "$work/studio-tail.wav" -b 24 studio-4ch.wav vol -7dB
