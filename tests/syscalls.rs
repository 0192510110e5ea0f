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
    const CASES: [(&str, fn()); 4] = [
        ("a convolver", plain),
        ("a controlled convolver", controlled),
        ("a controlled matrix", matrix),
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

    /// From here on, a system call of this thread kills the process.
    fn forbid() {
        let kill = libc::sock_filter {
            code: (libc::BPF_RET | libc::BPF_K) as u16,
            jt: 0,
            jf: 0,
            k: libc::SECCOMP_RET_KILL_PROCESS,
        };
        let mut filter = [kill];
        let program = libc::sock_fprog {
            len: 1,
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

    fn forbidden() {
        watch(|| (), || ());
        forbid();
        std::thread::yield_now();
        done();
    }
}
