// zita-convolver as a peer of `benches/callback`, in a process of its own.
//
// The bench compiles this when it finds a C++ compiler and the library's header. The library is
// under the GPL: nothing of it is linked into faltung, and the program built from this file is
// not to be passed on under another licence.
//
// It reads commands, one a line, and answers each with the lines that are described there:
//   setup CHANNELS IRS IR_FRAMES BLOCK
//   round WARM CALLS MEAN CHECK

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <malloc.h>
#include <unistd.h>
#include <vector>
#include <zita-convolver.h>

static double now(clockid_t clock) {
    timespec t;
    clock_gettime(clock, &t);
    return 1e9 * t.tv_sec + t.tv_nsec;
}

// The same bits as `signals.rs` makes.
struct Noise {
    uint32_t state;
    double next() {
        state = state * 1664525u + 1013904223u;
        return (state >> 8) / 8388608.0 - 1.0;
    }
};

static const size_t CHANNEL_SHIFT = 997;

static std::vector<float> response(size_t frames, size_t index) {
    Noise noise{uint32_t(1000 + index)};
    std::vector<float> taps(frames);
    for (size_t t = 0; t < frames; t++) {
        double fade = 1.0 - double(t) / double(frames);
        taps[t] = float(noise.next() * (fade * fade) * (fade * fade));
    }
    taps[0] = 1.0f;
    return taps;
}

static size_t heap() {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static Convproc *convproc = nullptr;
static size_t channels, block;
static std::vector<float> input;
static std::vector<std::vector<float>> output;

// The library's threads take a moment to come up; a stop that reaches them earlier is lost.
static int start() {
    int error = convproc->start_process(0, SCHED_OTHER);
    usleep(50000);
    return error;
}

static void halt() {
    convproc->stop_process();
    while (!convproc->check_stop()) usleep(100);
}

static void call(const float *samples, size_t shift) {
    for (size_t c = 0; c < channels; c++)
        memcpy(convproc->inpdata(c), samples + c * shift, block * sizeof(float));
    convproc->process(true);
    for (size_t c = 0; c < channels; c++)
        memcpy(output[c].data(), convproc->outdata(c), block * sizeof(float));
}

// Answers "ok LATENCY BYTES SETUP_MS" or "error WHY".
static void setup(size_t irs, size_t frames) {
    if (convproc) {
        halt();
        convproc->cleanup();
        delete convproc;
    }
    std::vector<std::vector<float>> taps;
    for (size_t k = 0; k < irs; k++) taps.push_back(response(frames, k));
    output.assign(channels, std::vector<float>(block));

    size_t bytes = heap();
    double begin = now(CLOCK_MONOTONIC);
    convproc = new Convproc;
    convproc->set_options(Convproc::OPT_FFTW_MEASURE | Convproc::OPT_VECTOR_MODE);
    size_t least = block < Convproc::MINPART ? size_t(Convproc::MINPART) : block;
    bool crossed = channels == 2 && irs == 4;
    float density = crossed ? 1.0f : 0.0f; // 0: as for separate channels
    int error = convproc->configure(channels, channels, frames, block, least,
                                    Convproc::MAXPART, density);
    for (size_t to = 0; to < channels && !error; to++)
        for (size_t from = 0; from < channels && !error; from++) {
            if (!crossed && from != to) continue;
            size_t ir = crossed ? 2 * from + to : irs == 1 ? 0 : from;
            if (irs == 1 && to > 0)
                error = convproc->impdata_link(0, 0, from, to);
            else
                error = convproc->impdata_create(from, to, 1, taps[ir].data(), 0, frames);
        }
    double begun = now(CLOCK_MONOTONIC);
    if (!error) error = start();
    if (error) {
        printf("error %d\n", error);
        delete convproc;
        convproc = nullptr;
        return;
    }
    double ms = (begun - begin) * 1e-6;
    bytes = heap() - bytes;

    std::vector<float> impulse(block, 0.0f);
    impulse[0] = 1.0f;
    size_t latency = 0;
    bool heard = false;
    for (size_t at = 0; at < 8192 && !heard; at += block) {
        call(impulse.data(), 0);
        impulse[0] = 0.0f;
        for (size_t i = 0; i < block && !heard; i++)
            if (std::fabs(output.back()[i]) >= 0.5f) {
                heard = true;
                latency = at + i;
            }
    }
    printf("ok %zu %zu %.3f\n", latency, bytes, ms);
}

// Answers three lines: CPU ns of the timed whole; wall ns of each call; the checked frames.
static void round(size_t warm, size_t calls, size_t mean, size_t check) {
    size_t needed = warm + calls + mean + check + CHANNEL_SHIFT * channels;
    if (input.size() < needed) {
        Noise noise{1};
        input.resize(needed);
        for (float &x : input) x = float(noise.next());
    }
    halt();
    start();
    const float *at = input.data();
    for (size_t k = 0; k < warm / block; k++, at += block) call(at, CHANNEL_SHIFT);

    std::vector<double> laps;
    laps.reserve(calls / block);
    // As a driver would just have written it.
    std::vector<float> fresh(channels * block);
    for (size_t k = 0; k < calls / block; k++, at += block) {
        for (size_t c = 0; c < channels; c++)
            memcpy(&fresh[c * block], at + c * CHANNEL_SHIFT, block * sizeof(float));
        double begin = now(CLOCK_MONOTONIC);
        call(fresh.data(), block);
        laps.push_back(now(CLOCK_MONOTONIC) - begin);
    }

    double begin = now(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t k = 0; k < mean / block; k++, at += block) call(at, CHANNEL_SHIFT);
    printf("%.0f\n", now(CLOCK_PROCESS_CPUTIME_ID) - begin);

    for (double lap : laps) printf("%.0f ", lap);
    printf("\n");
    for (size_t k = 0; k < check / block; k++, at += block) {
        call(at, CHANNEL_SHIFT);
        for (float y : output.back()) printf("%.9g ", y);
    }
    printf("\n");
}

int main() {
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        size_t a, b, c, d;
        if (sscanf(line, "setup %zu %zu %zu %zu", &a, &b, &c, &d) == 4) {
            channels = a;
            block = d;
            setup(b, c);
        } else if (sscanf(line, "round %zu %zu %zu %zu", &a, &b, &c, &d) == 4 && convproc) {
            round(a, b, c, d);
        } else {
            printf("error unknown command\n");
        }
        fflush(stdout);
    }
    return 0;
}
