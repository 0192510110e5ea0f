//! Scripted devices: a pair of ports in which nothing moves but by the script, in its own time.
//!
//! For tests, and for programs that feed a live session from elsewhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::SampleFormat;
use super::port::{
    Clocks, DeviceError, Direction, Fault, FaultKind, Moment, OnFault, OnInput, OnOutput, Pair,
    Port, Ports, Stream,
};
use crate::signal::SampleRate;

/// Ports that the [`Script`] drives.
pub struct MemoryPorts(Script);

/// Drives a pair of [`MemoryPorts`]; may be cloned.
#[derive(Clone)]
pub struct Script(Arc<Mutex<Desk>>);

struct Desk {
    pair: Pair,
    refusal: Option<DeviceError>,
    now: Duration,
    delays: [Duration; 2],
    input: Slot<OnInput>,
    output: Slot<OnOutput>,
    opened: u64,
}

/// One direction's stream, if it is open.
struct Slot<C> {
    calls: Option<(C, OnFault)>,
    started: bool,
}

impl<C> Slot<C> {
    const EMPTY: Self = Self {
        calls: None,
        started: false,
    };

    fn call(&mut self) -> Option<&mut C> {
        let started = self.started;
        let calls = self.calls.as_mut().filter(|_| started);
        calls.map(|(call, _)| call)
    }
}

impl MemoryPorts {
    /// A pair of devices with these channels, and its script.
    pub fn new(rates: [SampleRate; 2], channels: [usize; 2], clocks: Clocks) -> (Self, Script) {
        let port = |device: &str, rate, channels| Port {
            host: "memory".to_owned(),
            device: device.to_owned(),
            rate,
            channels,
            period: None,
            format: SampleFormat::F32,
        };
        let desk = Desk {
            pair: Pair {
                input: port("microphone", rates[0], channels[0]),
                output: port("loudspeaker", rates[1], channels[1]),
                clocks,
                lockstep: false,
                notices: Vec::new(),
            },
            refusal: None,
            now: Duration::ZERO,
            delays: [Duration::ZERO; 2],
            input: Slot::EMPTY,
            output: Slot::EMPTY,
            opened: 0,
        };
        let script = Script(Arc::new(Mutex::new(desk)));
        (Self(script.clone()), script)
    }
}

impl Script {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.desk().now += time;
    }

    /// The microphone hears interleaved frames, in one callback. False where its stream is not
    /// open and started.
    pub fn record(&self, frames: &[f32]) -> bool {
        let mut desk = self.desk();
        let moment = desk.moment(Direction::Input);
        let call = desk.input.call();
        call.map(|call| call(frames, moment)).is_some()
    }

    /// The loudspeaker asks for interleaved frames, in one callback. False, and silence, where
    /// its stream is not open and started.
    pub fn play(&self, frames: &mut [f32]) -> bool {
        frames.fill(0.0);
        let mut desk = self.desk();
        let moment = desk.moment(Direction::Output);
        let call = desk.output.call();
        call.map(|call| call(frames, moment)).is_some()
    }

    /// One of the devices reports a fault.
    pub fn fault(&self, side: Direction, kind: FaultKind, text: &str) {
        let text = text.to_owned();
        let mut desk = self.desk();
        let on_fault = match side {
            Direction::Input => desk.input.calls.as_mut().map(|(_, fault)| fault),
            Direction::Output => desk.output.calls.as_mut().map(|(_, fault)| fault),
        };
        if let Some(on_fault) = on_fault {
            on_fault(Fault { kind, text });
        }
    }

    /// From now on the devices cannot be found, for this reason; or can be again.
    pub fn refuse(&self, why: Option<DeviceError>) {
        self.desk().refusal = why;
    }

    /// Changes what will be found next.
    pub fn change(&self, change: impl FnOnce(&mut Pair)) {
        change(&mut self.desk().pair);
    }

    /// What the host says of delays from now on, of input and output.
    pub fn set_delays(&self, delays: [Duration; 2]) {
        self.desk().delays = delays;
    }

    /// How many streams were opened so far.
    pub fn opened(&self) -> u64 {
        self.desk().opened
    }

    /// Whether both streams are open and started.
    pub fn runs(&self) -> bool {
        let mut desk = self.desk();
        desk.input.call().is_some() && desk.output.call().is_some()
    }
}

impl Desk {
    fn moment(&self, side: Direction) -> Moment {
        Moment {
            at: self.now,
            delay: self.delays[side as usize],
        }
    }

    fn check(&self) -> Result<(), DeviceError> {
        self.refusal.clone().map_or(Ok(()), Err)
    }
}

impl Ports for MemoryPorts {
    fn find(&mut self) -> Result<Pair, DeviceError> {
        let desk = self.0.desk();
        desk.check().map(|()| desk.pair.clone())
    }

    fn open_input(
        &mut self,
        on_input: OnInput,
        on_fault: OnFault,
    ) -> Result<Box<dyn Stream>, DeviceError> {
        let mut desk = self.0.desk();
        desk.check()?;
        desk.input.calls = Some((on_input, on_fault));
        desk.opened += 1;
        let side = Direction::Input;
        Ok(Box::new(Open(self.0.clone(), side)))
    }

    fn open_output(
        &mut self,
        on_output: OnOutput,
        on_fault: OnFault,
    ) -> Result<Box<dyn Stream>, DeviceError> {
        let mut desk = self.0.desk();
        desk.check()?;
        desk.output.calls = Some((on_output, on_fault));
        desk.opened += 1;
        let side = Direction::Output;
        Ok(Box::new(Open(self.0.clone(), side)))
    }

    fn now(&self) -> Duration {
        self.0.desk().now
    }
}

struct Open(Script, Direction);

impl Stream for Open {
    fn start(&self) -> Result<(), DeviceError> {
        let mut desk = self.0.desk();
        match self.1 {
            Direction::Input => desk.input.started = true,
            Direction::Output => desk.output.started = true,
        }
        Ok(())
    }

    fn period(&self) -> Option<usize> {
        None
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut desk = self.0.desk();
        match self.1 {
            Direction::Input => drop(std::mem::replace(&mut desk.input, Slot::EMPTY)),
            Direction::Output => drop(std::mem::replace(&mut desk.output, Slot::EMPTY)),
        }
    }
}
