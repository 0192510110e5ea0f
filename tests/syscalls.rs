//! The audio thread's promise: running makes no system call. The kernel itself checks it: a child
//! process forbids them to its audio thread (seccomp), and would be killed by the first one.

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: system calls can be forbidden on Linux only");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus, exit};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use faltung::{
        Bypass, Control, Convolver, Latency, MatrixConvolver, Plan, Routing, Settings, Swap,
    };

    const CHILD: &str = "--in-the-child";

    /// What the audio thread does once system calls are forbidden.
    const CASES: [(&str, fn()); 5] = [
        ("a convolver", plain),
        ("a controlled convolver", controlled),
        ("a controlled matrix", matrix),
        ("both callbacks of a live session", callbacks),
        ("a system call", forbidden),
    ];

    pub fn main() {
        let mut args = std::env::args().skip(1);
        if args.next().as_deref() == Some(CHILD) {
            let name = args.next().unwrap_or_default();
            let case = CASES.iter().find(|(case, _)| *case == name);
            case.expect("a case").1();
            unreachable!("a case ends the process");
        }
        for (name, _) in CASES {
            let status = run(name);
            let expected = match name {
                // SIGSYS: so the check bites.
                "a system call" => status.signal() == Some(libc::SIGSYS),
                _ => status.success(),
            };
            assert!(expected, "{name}: {status}");
            println!("{name}: {status}, as it should");
        }
    }

    fn run(name: &str) -> ExitStatus {
        let this = std::env::current_exe().unwrap();
        Command::new(this).args([CHILD, name]).status().unwrap()
    }

    /// From here on, a system call of this thread kills the process; but not a look at the clock,
    /// which is no system call where the kernel lends its page for it.
    fn forbid() {
        let step = |code: u32, jf: u8, k: u32| libc::sock_filter {
            code: code as u16,
            jt: 0,
            jf,
            k,
        };
        let mut filter = [
            // The call's number lies at the beginning.
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
            step(
                libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
                1,
                libc::SYS_clock_gettime as u32,
            ),
            step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
            step(
                libc::BPF_RET | libc::BPF_K,
                0,
                libc::SECCOMP_RET_KILL_PROCESS,
            ),
        ];
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: the program outlives the calls; both change nothing but this thread's rights.
        unsafe {
            assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
            let mode = libc::SECCOMP_MODE_FILTER;
            libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program, 0, 0);
        }
    }

    static DONE: AtomicBool = AtomicBool::new(false);

    /// This thread cannot end the process any more; another one does it.
    fn done() -> ! {
        DONE.store(true, Ordering::SeqCst);
        loop {
            std::hint::spin_loop();
        }
    }

    /// Waits in a thread of its own for the other's end, with something to do meanwhile.
    fn watch(mut meanwhile: impl FnMut() + Send + 'static, last: impl FnOnce() + Send + 'static) {
        std::thread::spawn(move || {
            while !DONE.load(Ordering::SeqCst) {
                meanwhile();
                std::thread::sleep(Duration::from_micros(300));
            }
            last();
            exit(0);
        });
    }

    fn noise(frames: usize) -> Vec<f32> {
        let tap = |n: usize| ((n * 7919) % 101) as f32 / 101.0 - 0.5;
        (0..frames).map(tap).collect()
    }

    fn input() -> Vec<f32> {
        let mut input = noise(20_000);
        (input[500], input[5_000], input[9_000]) = (f32::NAN, f32::INFINITY, 1e-42);
        input
    }

    fn plain() {
        for latency in [Latency::Zero, Latency::AtMost(256)] {
            Convolver::builder()
                .latency(latency)
                .build(&noise(9_000))
                .unwrap();
        }
        let mut convolver = Convolver::new(&noise(9_000)).unwrap();
        let (input, mut output) = (input(), noise(20_000));
        watch(|| (), || ());
        forbid();
        for n in [1, 63, 64, 65, 0, 1_000, 4_096] {
            for (x, y) in input.chunks(n.max(1)).zip(output.chunks_mut(n.max(1))) {
                convolver.process(x, y);
            }
            convolver.process_in_place(&mut output);
            while convolver.drain(&mut output[..777]) > 0 {}
            convolver.reset();
        }
        done();
    }

    /// Wishes of every kind, one after the other.
    fn wish(control: &Control<f32>, irs: &[Vec<f32>], count: &mut usize) {
        *count += 1;
        let swap = [Swap::Warm, Swap::Ring, Swap::Cut][*count / 7 % 3];
        match *count % 7 {
            0 => control.set_mix((*count % 11) as f64 / 10.0),
            1 => control.set_gain((*count % 3) as f64),
            2 => control.set_predelay(*count % 500),
            3 => control.bypass([Bypass::Trails, Bypass::Cut][*count / 7 % 2]),
            4 => control.bypass(Bypass::Off),
            _ => control.set_ir_at(0, &irs[*count % irs.len()], swap),
        }
        .unwrap();
    }

    fn controlled_by(control: Control<f32>) {
        let irs = [noise(9_000), noise(5), noise(4_000)];
        let mut count = 0;
        let seen = control.clone();
        watch(
            move || wish(&control, &irs, &mut count),
            move || {
                let status = seen.status().unwrap();
                println!("{status:?}");
                // Otherwise nothing was tried.
                if status.heard < 20 {
                    exit(3);
                }
            },
        );
    }

    fn controlled() {
        let builder = Convolver::builder().capacity(9_000);
        let (mut convolver, control) = builder.build_with_control(&noise(9_000)).unwrap();
        controlled_by(control);
        let (input, mut output) = (input(), noise(20_000));
        forbid();
        for round in 0..400 {
            let n = [1, 64, 480, 1_000, 3_000][round % 5];
            for (x, y) in input[..6_000].chunks(n).zip(output[..6_000].chunks_mut(n)) {
                convolver.process(x, y);
            }
            convolver.process_in_place(&mut output[..700]);
            if round % 50 == 49 {
                while convolver.drain(&mut output[..777]) > 0 {}
                convolver.reset();
            }
        }
        done();
    }

    fn matrix() {
        let irs = [noise(9_000), noise(3_000), noise(3_000), noise(8_000)];
        let (plan, routing) = (Plan::new(9_000), Routing::TrueStereo);
        let made = MatrixConvolver::with_control(&plan, 2, &irs, &routing, Settings::default());
        let (mut matrix, control) = made.unwrap();
        controlled_by(control);
        let input = [input(), noise(20_000)];
        let mut output = [noise(20_000), noise(20_000)];
        let (interleaved, mut mixed) = (noise(4_000), noise(4_000));
        forbid();
        for _ in 0..60 {
            matrix.process(&input, &mut output);
            matrix.process_interleaved(&interleaved, &mut mixed);
        }
        while matrix.drain(&mut output) > 0 {}
        matrix.reset();
        done();
    }

    /// While sound begins, passes, starves, overflows, is swapped, recorded and ends.
    #[cfg(feature = "live")]
    fn callbacks() {
        live::callbacks();
    }

    #[cfg(not(feature = "live"))]
    fn callbacks() {
        exit(0);
    }

    #[cfg(feature = "live")]
    mod live {
        use std::sync::atomic::{AtomicU64, Ordering};
        use std::sync::mpsc::{Sender, channel};
        use std::sync::{Arc, Mutex};
        use std::time::Duration;

        use faltung::SampleRate;
        use faltung::io::SampleFormat;
        use faltung::io::port::{
            Clocks, DeviceError, Moment, OnFault, OnInput, OnOutput, Pair, Port, Ports, Stream,
        };
        use faltung::run::live::{Live, Setup, Status, What};

        use super::{done, forbid, noise, watch};

        /// Devices whose callbacks are called by hand, on the thread that may call nothing else.
        struct Given {
            clocks: Clocks,
            now: Arc<AtomicU64>,
            input: Sender<OnInput>,
            output: Sender<OnOutput>,
        }

        struct Still;

        impl Stream for Still {
            fn start(&self) -> Result<(), DeviceError> {
                Ok(())
            }
            fn period(&self) -> Option<usize> {
                None
            }
        }

        impl Ports for Given {
            fn find(&mut self) -> Result<Pair, DeviceError> {
                let port = Port {
                    host: String::new(),
                    device: String::new(),
                    rate: SampleRate::new(48_000).unwrap(),
                    channels: 2,
                    period: None,
                    format: SampleFormat::F32,
                };
                Ok(Pair {
                    input: port.clone(),
                    output: port,
                    clocks: self.clocks,
                    lockstep: false,
                    notices: Vec::new(),
                })
            }
            fn open_input(
                &mut self,
                on_input: OnInput,
                _: OnFault,
            ) -> Result<Box<dyn Stream>, DeviceError> {
                self.input.send(on_input).unwrap();
                Ok(Box::new(Still))
            }
            fn open_output(
                &mut self,
                on_output: OnOutput,
                _: OnFault,
            ) -> Result<Box<dyn Stream>, DeviceError> {
                self.output.send(on_output).unwrap();
                Ok(Box::new(Still))
            }
            fn now(&self) -> Duration {
                Duration::from_nanos(self.now.load(Ordering::Relaxed))
            }
        }

        pub fn callbacks() {
            let (one, mut call_one) = session(Clocks::One);
            let (two, mut call_two) = session(Clocks::Two);
            let lives = [one, two];
            let (last, mut wishes) = (lives.clone(), 0);
            watch(
                move || {
                    wishes += 1;
                    for (index, live) in lives.iter().enumerate() {
                        let live = live.lock().unwrap();
                        live.select(wishes % 2);
                        live.set_mix((wishes % 11) as f64 / 10.0);
                        live.status();
                        if wishes == 1 {
                            let name = format!("faltung-{}-{index}.wav", std::process::id());
                            live.record(Some(std::env::temp_dir().join(name)));
                        }
                    }
                },
                move || {
                    for live in last.iter() {
                        let live = live.lock().unwrap();
                        live.record(None);
                        std::thread::sleep(Duration::from_millis(300));
                        for event in live.events() {
                            if let What::Recorded(recording) = event.what {
                                assert!(recording.frames > 0);
                                std::fs::remove_file(recording.path).unwrap();
                            }
                        }
                        let Status {
                            clocks,
                            counts,
                            fill,
                            ..
                        } = live.status();
                        println!("{clocks:?} {counts:?}");
                        // Otherwise nothing was tried.
                        if counts.starved == 0 || counts.nonfinite == 0 || fill == 0.0 {
                            std::process::exit(3);
                        }
                    }
                },
            );
            forbid();
            for round in 0..3_000 {
                // Either side pauses now and then.
                let (record, play) = (round % 700 < 650, round % 900 < 860);
                call_one(record, play);
                call_two(record, play);
                for _ in 0..20_000 {
                    std::hint::spin_loop();
                }
            }
            done();
        }

        /// A session, and a round of its callbacks.
        fn session(clocks: Clocks) -> (Arc<Mutex<Live>>, impl FnMut(bool, bool)) {
            let now = Arc::new(AtomicU64::new(0));
            let (input, inputs) = channel();
            let (output, outputs) = channel();
            let ports = Given {
                clocks,
                now: now.clone(),
                input,
                output,
            };
            let irs = ["synth:room", "synth:plate"];
            let setup = Setup {
                irs: irs.map(|ir| ir.parse().unwrap()).into(),
                ..Setup::default()
            };
            let live = Live::start(setup, Box::new(ports)).unwrap();
            let (mut on_input, mut on_output) = (inputs.recv().unwrap(), outputs.recv().unwrap());
            let mut block = noise(2 * 240);
            block[7] = f32::NAN;
            let mut out = noise(2 * 240);
            let round = move |record: bool, play: bool| {
                let step = 5_000_000;
                let at = Duration::from_nanos(now.fetch_add(step, Ordering::Relaxed) + step);
                let moment = Moment {
                    at,
                    ..Moment::default()
                };
                if record {
                    on_input(&block, moment);
                }
                if play {
                    on_output(&mut out, moment);
                }
            };
            (Arc::new(Mutex::new(live)), round)
        }
    }

    fn forbidden() {
        watch(|| (), || ());
        forbid();
        std::thread::yield_now();
        done();
    }
}
