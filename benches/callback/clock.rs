//! Time, heap and what the machine is.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use faltung::Cpu;

/// CPU time of all threads of this process in ns.
#[cfg(unix)]
pub fn cpu_ns() -> f64 {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Wall time in ns, where the CPU time cannot be had.
#[cfg(not(unix))]
pub fn cpu_ns() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos() as f64
}

/// What one reading of the clock adds to a timed call, in ns.
pub fn clock_cost() -> f64 {
    let mut laps: Vec<u128> = Vec::with_capacity(20_000);
    let mut last = Instant::now();
    for _ in 0..20_000 {
        let now = Instant::now();
        laps.push((now - last).as_nanos());
        last = now;
    }
    laps.sort_unstable();
    laps[laps.len() / 2] as f64
}

/// Counts the bytes that are allocated.
pub struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Bytes allocated and not freed.
pub fn heap() -> usize {
    LIVE.load(Relaxed)
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Relaxed);
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Machine, compiler and date, one a line.
pub fn machine() -> Vec<String> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or(std::env::consts::ARCH, |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let compiler = std::process::Command::new("rustc")
        .arg("--version")
        .output();
    let compiler = compiler.map_or("rustc unknown".into(), |out| {
        String::from_utf8_lossy(&out.stdout).trim().to_string()
    });
    vec![
        format!("{model}, {cores} core(s), vectors: {}", Cpu::detect()),
        format!("{}, {compiler}", std::env::consts::OS),
        format!("{}, load average at start {}", today(), load()),
    ]
}

/// Load average over 1, 5 and 15 minutes.
pub fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or("unknown".into());
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The date (UTC), from days since 1970 to year, month and day (Hinnant's civil_from_days).
fn today() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let days = now.as_secs() / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    format!("{}-{month:02}-{day:02}", year + era * 400)
}
