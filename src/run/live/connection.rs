//! Open streams and what they tell.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use ringbuf::HeapCons;

use super::stats::Stats;
use crate::io::port::{Direction, Fault, FaultKind, OnFault, Stream};

/// What a stream may take to close before it is left behind.
const CLOSING: Duration = Duration::from_millis(1500);

/// Open streams and what they tell.
pub(in crate::run) struct Connection {
    pub streams: [Box<dyn Stream>; 2],
    pub faults: Receiver<(Direction, Fault)>,
    pub stats: Arc<Stats>,
    pub opened: Duration,
    pub heard: Option<HeapCons<f32>>,
}

/// Closes streams on a thread of their own: some never return.
pub(in crate::run) fn let_go(streams: Vec<Box<dyn Stream>>) {
    let (over, closed) = mpsc::channel();
    let close = move || {
        drop(streams);
        let _ = over.send(());
    };
    if thread::Builder::new().spawn(close).is_ok() {
        let _ = closed.recv_timeout(CLOSING);
    }
}

/// Counts xruns where they happen; everything else is looked at later.
pub(in crate::run) fn fault_into(
    stats: Arc<Stats>,
    side: Direction,
    once: bool,
    told: SyncSender<(Direction, Fault)>,
) -> OnFault {
    Box::new(move |fault| match (fault.kind, side) {
        // Both hear of the same one.
        (FaultKind::Xrun, Direction::Input) if once => {}
        (FaultKind::Xrun, Direction::Input) => {
            stats.input.xruns.fetch_add(1, Relaxed);
        }
        (FaultKind::Xrun, Direction::Output) => {
            stats.output.xruns.fetch_add(1, Relaxed);
        }
        // In a storm of faults the first ones tell enough.
        _ => drop(told.try_send((side, fault))),
    })
}
