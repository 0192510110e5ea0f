//! Audio servers without a sound card, and the runner of the tests that need them: one test at a
//! time, each with an end, those skipped named.

pub mod face;
pub mod jack;
pub mod measuring;
pub mod osc;
pub mod pulse;
pub mod session;
pub mod signal;

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::panic::{UnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, setpriority_process};

// ---------------------------------------------------------------- the runner

/// A test: its name, the programs it needs, what it does.
pub type Test = (&'static str, &'static [&'static str], fn());

/// Set where a skipped test is a failed one.
const REQUIRED: &str = "FALTUNG_LIVE";

/// No test may take longer.
const LIMIT: Duration = Duration::from_secs(240);

/// Runs those tests that the arguments ask for, as the standard runner would, but one at a time,
/// also among processes, and with everything they print.
pub fn run(tests: &[Test]) -> ExitCode {
    let chosen = chosen(tests);
    if std::env::args().any(|arg| arg == "--list") {
        chosen
            .iter()
            .for_each(|(name, ..)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let lock = File::create(std::env::temp_dir().join("faltung-live.lock")).unwrap();
    lock.lock().unwrap();
    println!("\nrunning {} live tests, one at a time", chosen.len());
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    for (name, needs, test) in &chosen {
        let begun = Instant::now();
        let missing = needs.iter().find(|program| !installed(program));
        if let Some(program) = missing {
            println!("test {name} ... SKIPPED: there is no {program} on this machine");
            skipped += 1;
            continue;
        }
        let ended = watched(name, test);
        let word = if ended { "ok" } else { "FAILED" };
        println!(
            "test {name} ... {word} ({:.1} s)",
            begun.elapsed().as_secs_f64()
        );
        match ended {
            true => passed += 1,
            false => failed.push(*name),
        }
    }
    println!(
        "\nlive: {passed} passed, {} failed, {skipped} skipped",
        failed.len()
    );
    failed
        .iter()
        .for_each(|name| println!("    failed: {name}"));
    let required = std::env::var(REQUIRED).is_ok_and(|value| value == "required");
    if required && skipped > 0 {
        println!("{REQUIRED}=required: what was skipped has failed");
    }
    match failed.is_empty() && !(required && skipped > 0) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn chosen(tests: &[Test]) -> Vec<Test> {
    let (mut wanted, mut unwanted, mut exact) = (Vec::new(), Vec::new(), false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // There are no tests that are ignored, and no benches.
            "--ignored" | "--bench" => return Vec::new(),
            "--exact" => exact = true,
            "--skip" => unwanted.extend(args.next()),
            "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => drop(args.next()),
            option if option.starts_with('-') => {}
            _ => wanted.push(arg),
        }
    }
    let fits = |name: &str, word: &String| {
        if exact {
            name == word
        } else {
            name.contains(word)
        }
    };
    let among = |name: &str| wanted.is_empty() || wanted.iter().any(|word| fits(name, word));
    let tests = tests.iter().filter(|(name, ..)| among(name));
    tests
        .filter(|(name, ..)| !unwanted.iter().any(|word| fits(name, word)))
        .copied()
        .collect()
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Whether the test ended well; one that does not end takes everything down with it.
fn watched(name: &'static str, test: impl FnOnce() + UnwindSafe) -> bool {
    let (done, end) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if end.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            println!("test {name} ... FAILED: no end after {} s", LIMIT.as_secs());
            // What it has started dies with this process.
            std::process::exit(101);
        }
    });
    let ended = catch_unwind(test).is_ok();
    drop(done);
    ended
}

// ---------------------------------------------------------------- processes and waiting

/// A program that ends with the test, whatever becomes of the test.
pub struct Kept(Child);

impl Kept {
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        // SAFETY: a system call, no more. It asks for the child's end when this thread ends.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let child = command.process_group(0).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid(), signal);
    }

    /// The priority that a desktop gives to sound, if it can be had.
    pub fn hurry(&self) {
        let _ = setpriority_process(Some(self.pid()), -11);
    }

    /// How it ended, if it did so in time.
    pub fn ends_within(&mut self, seconds: f64) -> Option<ExitStatus> {
        until(seconds, || self.0.try_wait().unwrap())
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.0.wait();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.signal(Signal::TERM);
            self.ends_within(1.0);
        }
        self.kill();
    }
}

/// What `look` finds, as soon as it finds it; none after that time.
pub fn until<T>(seconds: f64, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    loop {
        let (found, late) = (look(), Instant::now() >= end);
        if found.is_some() || late {
            return found;
        }
        sleep(0.01);
    }
}

pub fn sleep(seconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(seconds));
}

// ---------------------------------------------------------------- what the servers have in common

/// A server that can be killed, and whose microphone one can play to.
pub trait Server {
    /// What a client's environment needs to find it.
    fn env(&self) -> session::Env;

    /// The session's options, but for what a test is about.
    fn options(&self) -> String;

    /// Plays the signal to a session that runs, and hears the loudspeaker for so long.
    fn hear(&self, signal: &[f32], seconds: f64) -> Heard;

    /// Ends it as a crash would.
    fn kill(&mut self);

    fn start_again(&mut self);
}

/// What came out of the loudspeaker.
pub struct Heard {
    /// Left and right.
    pub channels: Vec<Vec<f32>>,
    /// The frame of it at which the playing began, where that is known.
    pub played_at: Option<usize>,
    /// How often the server says that somebody was late.
    pub xruns: usize,
}

/// An attempt that has failed, and whether the server itself was not served in time although
/// nobody was slow.
pub struct Failed {
    told: String,
    excused: bool,
}

impl Failed {
    pub fn new(told: String, excused: bool) -> Self {
        Self { told, excused }
    }
}

/// An attempt that fails is made again if the machine itself stood still meanwhile, for longer than
/// that: a thread that wants to run every millisecond tells. On a machine that never comes to rest
/// nothing can be judged, and that is said.
#[track_caller]
pub fn undisturbed(milliseconds: f64, mut attempt: impl FnMut() -> Result<String, Failed>) {
    const ATTEMPTS: usize = 5;
    for count in 1..=ATTEMPTS {
        let (stop, stopped) = mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                sleep(0.001);
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            1e3 * longest.as_secs_f64()
        });
        let came = attempt();
        drop(stop);
        let still = watch.join().unwrap();
        match came {
            Ok(told) => return println!("    {told}"),
            Err(Failed { told, excused }) if excused || still > milliseconds => {
                println!("    attempt {count}, the machine stood still for {still:.1} ms: {told}");
            }
            Err(Failed { told, .. }) => {
                panic!("{told}\nattempt {count}, the machine stood still for {still:.1} ms")
            }
        }
    }
    println!("    NOT JUDGED: the machine stood still in all of {ATTEMPTS} attempts");
}

// ---------------------------------------------------------------- samples in files without a head

pub fn to_bytes(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Interleaved samples as channels.
pub fn channels(bytes: &[u8], count: usize) -> Vec<Vec<f32>> {
    let sample = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    let mut planar = vec![Vec::with_capacity(bytes.len() / 4 / count); count];
    for frame in bytes.chunks_exact(4 * count) {
        for (channel, bytes) in planar.iter_mut().zip(frame.chunks_exact(4)) {
            channel.push(sample(bytes));
        }
    }
    planar
}
