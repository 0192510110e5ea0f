//! Real devices, through cpal: what there is, which is meant, and its streams. The only file that
//! says `cpal`.

use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, Data, DeviceDirection, ErrorKind, HostId, StreamConfig, SupportedBufferSize,
};

use super::SampleFormat;
use super::port::{
    Clocks, DeviceError, Direction, Fault, FaultKind, Moment, OnFault, OnInput, OnOutput, Pair,
    Port, Ports, Stream,
};
use crate::signal::SampleRate;

/// Frames of a callback where nothing else is asked for.
const PERIOD: u32 = 512;
/// The same on PulseAudio, whose server wants more time.
const SERVER_PERIOD: u32 = 1024;
/// What a host may take to open a stream.
const PATIENCE: Duration = Duration::from_secs(3);
/// Samples that are converted at a time.
const SCRATCH: usize = 1 << 16;
/// The formats that are spoken, best first.
const FORMATS: [SampleFormat; 4] = [
    SampleFormat::F32,
    SampleFormat::I32,
    SampleFormat::I24,
    SampleFormat::I16,
];

/// One way to reach devices.
#[derive(Debug, Clone, PartialEq)]
pub struct HostInfo {
    /// What `--host` calls it.
    pub name: String,
    /// It is taken where none is asked for.
    pub default: bool,
    /// Why it cannot be reached, if so.
    pub error: Option<String>,
    /// Its devices.
    pub devices: Vec<DeviceInfo>,
}

/// A device of a host.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceInfo {
    /// Its number within the host, from 1.
    pub number: usize,
    /// What people call it.
    pub name: String,
    /// What the host calls it.
    pub id: String,
    /// What can be recorded from it.
    pub input: Option<Side>,
    /// What can be played on it.
    pub output: Option<Side>,
}

/// What a device can do in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The host takes this device where none is asked for.
    pub default: bool,
    /// Channels and rate that the host suggests.
    pub suggested: Option<(usize, SampleRate)>,
    /// Most channels.
    pub channels: usize,
    /// Lowest and highest rates in Hz, each pair once.
    pub rates: Vec<(u32, u32)>,
    /// Least and most frames of a callback, where the host tells.
    pub periods: Option<(u32, u32)>,
    /// Sample formats, best first, of those that are spoken here.
    pub formats: Vec<SampleFormat>,
}

/// All hosts of this platform with their devices; those that cannot be reached say why.
pub fn hosts() -> Vec<HostInfo> {
    let default = cpal::default_host().id();
    let all = cpal::ALL_HOSTS.iter();
    all.map(|&id| {
        let devices = open_host(id).and_then(|host| list(&host));
        let (devices, error) = match devices {
            Ok(devices) => (devices, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        HostInfo {
            name: id.to_string(),
            default: id == default,
            error,
            devices,
        }
    })
    .collect()
}

fn open_host(id: HostId) -> Result<cpal::Host, String> {
    if !cpal::available_hosts().contains(&id) {
        return Err("it is not running".to_owned());
    }
    cpal::host_from_id(id).map_err(|error| error.to_string())
}

fn list(host: &cpal::Host) -> Result<Vec<DeviceInfo>, String> {
    let defaults = [Direction::Input, Direction::Output]
        .map(|way| default_device(host, way).and_then(|device| device.id().ok()));
    let devices = host.devices().map_err(|error| error.to_string())?;
    let infos: Vec<DeviceInfo> = devices
        .enumerate()
        .map(|(k, device)| {
            let own = device.id().ok();
            let side = |direction: Direction| {
                let is_default = own.is_some() && defaults[direction as usize] == own;
                side(&device, direction, is_default)
            };
            DeviceInfo {
                number: k + 1,
                name: name(&device),
                id: id(&device),
                input: side(Direction::Input),
                output: side(Direction::Output),
            }
        })
        .collect();
    if infos.is_empty() && host.id().to_string() == "jack" {
        return Err("no server is running".to_owned());
    }
    Ok(infos)
}

fn name(device: &cpal::Device) -> String {
    let description = device.description();
    description.map_or_else(|_| device.to_string(), |d| d.name().to_owned())
}

/// Whether the host says that the device has nothing to do with a direction; some list the
/// configurations of the other one.
fn faces_away(device: &cpal::Device, way: Direction) -> bool {
    let other = match way {
        Direction::Input => DeviceDirection::Output,
        Direction::Output => DeviceDirection::Input,
    };
    let description = device.description();
    description.is_ok_and(|description| description.direction() == other)
}

fn configs(device: &cpal::Device, direction: Direction) -> Vec<cpal::SupportedStreamConfigRange> {
    if faces_away(device, direction) {
        return Vec::new();
    }
    match direction {
        Direction::Input => device.supported_input_configs().map(Iterator::collect),
        Direction::Output => device.supported_output_configs().map(Iterator::collect),
    }
    .unwrap_or_default()
}

fn id(device: &cpal::Device) -> String {
    device.id().map_or(String::new(), |id| id.id().to_owned())
}

fn default_device(host: &cpal::Host, way: Direction) -> Option<cpal::Device> {
    match way {
        Direction::Input => host.default_input_device(),
        Direction::Output => host.default_output_device(),
    }
}

/// Lowest and highest rates, each pair once.
fn rates(configs: &[cpal::SupportedStreamConfigRange]) -> Vec<(u32, u32)> {
    let pairs = configs.iter();
    let mut rates: Vec<_> = pairs
        .map(|c| (c.min_sample_rate(), c.max_sample_rate()))
        .collect();
    rates.sort_unstable();
    rates.dedup();
    rates
}

fn suggested(
    device: &cpal::Device,
    direction: Direction,
) -> Result<cpal::SupportedStreamConfig, cpal::Error> {
    match direction {
        Direction::Input => device.default_input_config(),
        Direction::Output => device.default_output_config(),
    }
}

fn side(device: &cpal::Device, direction: Direction, default: bool) -> Option<Side> {
    let configs = configs(device, direction);
    let channels = configs.iter().map(|c| usize::from(c.channels())).max()?;
    let rates = rates(&configs);
    let ranges = configs.iter().filter_map(|c| range(c.buffer_size()));
    let periods = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let spoken = |format: &SampleFormat| {
        let foreign = foreign(*format);
        configs.iter().any(|c| c.sample_format() == foreign)
    };
    let suggested = suggested(device, direction).ok();
    Some(Side {
        default,
        suggested: suggested.and_then(|config| {
            let rate = SampleRate::new(config.sample_rate()).ok()?;
            Some((usize::from(config.channels()), rate))
        }),
        channels,
        rates,
        periods,
        formats: FORMATS.into_iter().filter(spoken).collect(),
    })
}

fn range(size: &SupportedBufferSize) -> Option<(u32, u32)> {
    match *size {
        SupportedBufferSize::Range { min, max } => Some((min, max)),
        SupportedBufferSize::Unknown => None,
    }
}

fn foreign(format: SampleFormat) -> cpal::SampleFormat {
    match format {
        SampleFormat::U8 => cpal::SampleFormat::U8,
        SampleFormat::I16 => cpal::SampleFormat::I16,
        SampleFormat::I24 => cpal::SampleFormat::I24,
        SampleFormat::I32 => cpal::SampleFormat::I32,
        SampleFormat::F32 => cpal::SampleFormat::F32,
        SampleFormat::F64 => cpal::SampleFormat::F64,
    }
}

/// Which devices are meant, and how they shall be opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// The host's name; the platform's first choice if not given.
    pub host: Option<String>,
    /// A unique part of the input device's name, or its number; the host's default if not given.
    pub input: Option<String>,
    /// The same for the output device.
    pub output: Option<String>,
    /// Frames per second; the devices' own if not given.
    pub rate: Option<SampleRate>,
    /// Frames of a callback.
    pub period: Option<usize>,
    /// Least number of input channels; 0 leaves it to the device.
    pub inputs: usize,
    /// Least number of output channels; 0 leaves it to the device.
    pub outputs: usize,
}

/// A pair of real devices. They are looked for anew with every [`find`](Ports::find), so that one
/// that was unplugged may come back under another number.
pub struct DevicePorts {
    choice: Choice,
    epoch: Instant,
    found: Option<[Found; 2]>,
    /// The host's names of the devices that were named and found: numbers change, and so does
    /// what parts of names are unique.
    known: [Option<String>; 2],
}

/// A device and how to open it.
struct Found {
    device: cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
}

impl DevicePorts {
    /// Ports for these devices; nothing is opened yet.
    pub fn new(choice: Choice) -> Self {
        Self {
            choice,
            epoch: Instant::now(),
            found: None,
            known: [None, None],
        }
    }

    fn host(&self) -> Result<cpal::Host, DeviceError> {
        let id = match &self.choice.host {
            None => cpal::default_host().id(),
            Some(name) => {
                let known = cpal::ALL_HOSTS.iter();
                let same = |id: &&HostId| id.to_string().eq_ignore_ascii_case(name);
                *known
                    .clone()
                    .find(same)
                    .ok_or_else(|| DeviceError::UnknownHost {
                        name: name.clone(),
                        known: known.map(HostId::to_string).collect::<Vec<_>>().join(", "),
                    })?
            }
        };
        open_host(id).map_err(|why| DeviceError::HostGone {
            host: id.to_string(),
            why,
        })
    }

    fn device(&self, host: &cpal::Host, way: Direction) -> Result<cpal::Device, DeviceError> {
        let name_of_host = || host.id().to_string();
        let wanted = match way {
            Direction::Input => &self.choice.input,
            Direction::Output => &self.choice.output,
        };
        let none = || DeviceError::None {
            host: name_of_host(),
            direction: way,
        };
        let Some(wanted) = wanted else {
            return default_device(host, way).ok_or_else(none);
        };
        let devices = host.devices().map_err(|error| DeviceError::HostGone {
            host: name_of_host(),
            why: error.to_string(),
        })?;
        let serves = |device: &cpal::Device| {
            let listed = match way {
                Direction::Input => device.supports_input(),
                Direction::Output => device.supports_output(),
            };
            listed && !faces_away(device, way)
        };
        let mut candidates: Vec<Candidate> = devices
            .enumerate()
            .filter(|(_, device)| serves(device))
            .map(|(k, device)| Candidate {
                number: k + 1,
                name: name(&device),
                id: id(&device),
                device,
            })
            .collect();
        if candidates.is_empty() {
            return Err(none());
        }
        let known = self.known[way as usize].as_ref();
        let found = match known {
            Some(id) => {
                let same = |candidate: &Candidate| candidate.id == *id;
                candidates.iter().position(same).ok_or_else(Vec::new)
            }
            None => choose(&candidates, wanted),
        };
        let found = found.map_err(|several| {
            let all = |c: &Candidate| format!("{} {} ({})", c.number, c.name, c.id);
            let listed = candidates.iter().enumerate();
            let listed = listed.filter(|(k, _)| several.is_empty() || several.contains(k));
            let (host, direction, name) = (name_of_host(), way, wanted.clone());
            let texts: Vec<_> = listed.map(|(_, candidate)| all(candidate)).collect();
            let candidates = texts.join("; ");
            match several.is_empty() {
                true => DeviceError::Unknown {
                    host,
                    direction,
                    name,
                    candidates,
                },
                false => DeviceError::Ambiguous {
                    host,
                    direction,
                    name,
                    candidates,
                },
            }
        })?;
        Ok(candidates.swap_remove(found).device)
    }

    /// How a device will be opened: the format that rounds least, of those with enough channels
    /// at the rate.
    fn settle(
        &self,
        host: &str,
        device: cpal::Device,
        way: Direction,
        rate: Option<SampleRate>,
        notices: &mut Vec<String>,
    ) -> Result<(Found, Port), DeviceError> {
        let title = name(&device);
        let refuse = |what: String, offers: String| DeviceError::Unsupported {
            direction: way,
            device: title.clone(),
            what,
            offers,
        };
        let configs = configs(&device, way);
        let suggested = suggested(&device, way).map_err(|error| DeviceError::Refused {
            direction: way,
            device: title.clone(),
            why: error.to_string(),
        })?;
        let rate = rate.map_or(suggested.sample_rate(), SampleRate::hz);
        let least = match way {
            Direction::Input => self.choice.inputs,
            Direction::Output => self.choice.outputs,
        };
        let most = configs.iter().map(|c| usize::from(c.channels())).max();
        let most = most.unwrap_or(0);
        if least > most {
            let what = format!("channel {least} was asked for");
            return Err(refuse(what, format!("{most} channels")));
        }
        let own = usize::from(suggested.channels());
        let enough = |channels: usize| channels >= least.max(1);
        let channels = match enough(own) {
            true => own,
            false => {
                let counts = configs.iter().map(|c| usize::from(c.channels()));
                counts.filter(|&count| enough(count)).min().unwrap_or(own)
            }
        };
        let fitting: Vec<_> = configs
            .iter()
            .filter(|c| usize::from(c.channels()) == channels && c.contains_rate(rate))
            .collect();
        let offered = || {
            let text = |(low, high): (u32, u32)| match low == high {
                true => format!("{low} Hz"),
                false => format!("{low} to {high} Hz"),
            };
            let rates = rates(&configs).into_iter().map(text);
            rates.collect::<Vec<_>>().join(", ")
        };
        let chosen = FORMATS.into_iter().find_map(|format| {
            let speaks =
                |c: &&&cpal::SupportedStreamConfigRange| c.sample_format() == foreign(format);
            fitting.iter().find(speaks).map(|config| (format, *config))
        });
        let Some((format, config)) = chosen else {
            return Err(match fitting.is_empty() {
                true => refuse(format!("{rate} Hz with {channels} channels"), offered()),
                false => refuse(
                    "none of the formats f32, i32, i24, i16".to_owned(),
                    "others only".to_owned(),
                ),
            });
        };
        let asked = self
            .choice
            .period
            .map(|p| u32::try_from(p).unwrap_or(u32::MAX));
        let usual = match host {
            "pulseaudio" | "pipewire" => SERVER_PERIOD,
            _ => PERIOD,
        };
        let wish = asked.unwrap_or(usual);
        let period = range(config.buffer_size()).map_or(wish, |(min, max)| wish.clamp(min, max));
        if asked.is_some_and(|asked| asked != period) {
            notices.push(format!(
                "{way} {title}: the period is {period} frames, {wish} cannot be had there"
            ));
        }
        let port = Port {
            host: host.to_owned(),
            device: title.clone(),
            rate: SampleRate::new(rate).map_err(|error| refuse(error.to_string(), offered()))?,
            channels,
            period: Some(period as usize),
            format,
        };
        let config = StreamConfig {
            channels: config.channels(),
            sample_rate: rate,
            buffer_size: BufferSize::Fixed(period),
        };
        let found = Found {
            device,
            config,
            format,
        };
        Ok((found, port))
    }

    fn found(&self, way: Direction) -> Result<&Found, DeviceError> {
        let found = self.found.as_ref().map(|found| &found[way as usize]);
        found.ok_or_else(|| DeviceError::Refused {
            direction: way,
            device: "device".to_owned(),
            why: "it has not been looked for".to_owned(),
        })
    }
}

struct Candidate {
    number: usize,
    name: String,
    id: String,
    device: cpal::Device,
}

/// The one that is meant, or those that could be: a number, the whole of a name, or a part of one.
fn choose(candidates: &[Candidate], wanted: &str) -> Result<usize, Vec<usize>> {
    let labels: Vec<(usize, &str, &str)> = candidates
        .iter()
        .map(|c| (c.number, c.name.as_str(), c.id.as_str()))
        .collect();
    meant(&labels, wanted)
}

fn meant(labels: &[(usize, &str, &str)], wanted: &str) -> Result<usize, Vec<usize>> {
    let wanted = wanted.trim().to_lowercase();
    let all = |fits: &dyn Fn(&(usize, &str, &str)) -> bool| -> Vec<usize> {
        (0..labels.len()).filter(|&k| fits(&labels[k])).collect()
    };
    let number: Option<usize> = wanted.parse().ok();
    let stages: [Vec<usize>; 3] = [
        all(&|&(k, ..)| Some(k) == number),
        all(&|&(_, name, id)| name.to_lowercase() == wanted || id.to_lowercase() == wanted),
        all(&|&(_, name, id)| {
            name.to_lowercase().contains(&wanted) || id.to_lowercase().contains(&wanted)
        }),
    ];
    let first = stages.into_iter().find(|found| !found.is_empty());
    match first {
        Some(found) if found.len() == 1 => Ok(found[0]),
        several => Err(several.unwrap_or_default()),
    }
}

impl Ports for DevicePorts {
    fn find(&mut self) -> Result<Pair, DeviceError> {
        let host = self.host()?;
        let title = host.id().to_string();
        let input = self.device(&host, Direction::Input)?;
        let output = self.device(&host, Direction::Output)?;
        // One server, or one card: one clock. ALSA's other names may lead to two cards.
        let is_card = |id: &str| title != "alsa" || id.contains("CARD=") || id.starts_with("hw:");
        let ids = (input.id(), output.id());
        let same_card = matches!(ids, (Ok(a), Ok(b)) if a == b && is_card(a.id()));
        let clocks = match ["jack", "asio"].contains(&title.as_str()) || same_card {
            true => Clocks::One,
            false => Clocks::Two,
        };
        for (known, device, wanted) in [
            (0, &input, &self.choice.input),
            (1, &output, &self.choice.output),
        ] {
            let id = Some(id(device)).filter(|id| !id.is_empty());
            if wanted.is_some() {
                self.known[known] = id.or(self.known[known].take());
            }
        }
        let mut notices = Vec::new();
        let asked = self.choice.rate;
        let (out_found, output) =
            self.settle(&title, output, Direction::Output, asked, &mut notices)?;
        // With two clocks there is a resampler anyway: the microphone keeps its own rate then.
        let wish = match clocks {
            Clocks::One => Some(output.rate),
            Clocks::Two => asked,
        };
        let way = Direction::Input;
        let settled = self.settle(&title, input.clone(), way, wish, &mut notices);
        let (in_found, input) = match settled {
            Err(DeviceError::Unsupported { .. }) if wish.is_some() => {
                self.settle(&title, input, way, None, &mut notices)?
            }
            other => other?,
        };
        if input.rate != output.rate {
            notices.push(format!(
                "input {} runs at {}, output {} at {}: the input is resampled",
                input.device, input.rate, output.device, output.rate
            ));
        }
        self.found = Some([in_found, out_found]);
        Ok(Pair {
            input,
            output,
            clocks,
            lockstep: title == "jack",
            notices,
        })
    }

    fn open_input(
        &mut self,
        mut on_input: OnInput,
        on_fault: OnFault,
    ) -> Result<Box<dyn Stream>, DeviceError> {
        let way = Direction::Input;
        let Found {
            device,
            config,
            format,
        } = self.found(way)?;
        let epoch = self.epoch;
        let mut scratch = vec![0.0f32; whole_frames(config.channels)];
        let call = move |data: &Data, info: &cpal::InputCallbackInfo| {
            let stamp = info.timestamp();
            let moment = Moment {
                at: epoch.elapsed(),
                delay: stamp.callback.saturating_duration_since(stamp.capture),
            };
            input_samples(data, &mut scratch, &mut |block| on_input(block, moment));
        };
        let stream = device.build_input_stream_raw(
            *config,
            foreign(*format),
            call,
            told(on_fault),
            Some(PATIENCE),
        );
        opened(stream, way, device)
    }

    fn open_output(
        &mut self,
        mut on_output: OnOutput,
        on_fault: OnFault,
    ) -> Result<Box<dyn Stream>, DeviceError> {
        let way = Direction::Output;
        let Found {
            device,
            config,
            format,
        } = self.found(way)?;
        let epoch = self.epoch;
        let mut scratch = vec![0.0f32; whole_frames(config.channels)];
        let call = move |data: &mut Data, info: &cpal::OutputCallbackInfo| {
            let stamp = info.timestamp();
            let moment = Moment {
                at: epoch.elapsed(),
                delay: stamp.playback.saturating_duration_since(stamp.callback),
            };
            output_samples(data, &mut scratch, &mut |block| on_output(block, moment));
        };
        let stream = device.build_output_stream_raw(
            *config,
            foreign(*format),
            call,
            told(on_fault),
            Some(PATIENCE),
        );
        opened(stream, way, device)
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }
}

fn whole_frames(channels: u16) -> usize {
    let channels = usize::from(channels).max(1);
    SCRATCH.div_ceil(channels) * channels
}

/// Hands out samples as `f32`; those of integers through `scratch`, full scale becoming 1.
fn input_samples(data: &Data, scratch: &mut [f32], give: &mut dyn FnMut(&[f32])) {
    macro_rules! integers {
        ($type:ty, $wide:expr, $bits:expr) => {
            let samples = data.as_slice::<$type>().unwrap_or(&[]);
            for piece in samples.chunks(scratch.len()) {
                for (to, &from) in scratch.iter_mut().zip(piece) {
                    *to = to_float($wide(from), $bits);
                }
                give(&scratch[..piece.len()]);
            }
        };
    }
    match data.sample_format() {
        cpal::SampleFormat::F32 => give(data.as_slice().unwrap_or(&[])),
        cpal::SampleFormat::I32 => {
            integers!(i32, |x| x, 32);
        }
        cpal::SampleFormat::I24 => {
            integers!(cpal::I24, cpal::I24::inner, 24);
        }
        cpal::SampleFormat::I16 => {
            integers!(i16, i32::from, 16);
        }
        _ => {}
    }
}

/// Asks for samples as `f32` and stores them as the device has them.
fn output_samples(data: &mut Data, scratch: &mut [f32], ask: &mut dyn FnMut(&mut [f32])) {
    macro_rules! integers {
        ($type:ty, $narrow:expr, $bits:expr) => {
            let samples = data.as_slice_mut::<$type>().unwrap_or(&mut []);
            for piece in samples.chunks_mut(scratch.len()) {
                let block = &mut scratch[..piece.len()];
                block.fill(0.0);
                ask(block);
                for (to, &from) in piece.iter_mut().zip(block.iter()) {
                    *to = $narrow(to_integer(from, $bits));
                }
            }
        };
    }
    match data.sample_format() {
        cpal::SampleFormat::F32 => {
            let block = data.as_slice_mut().unwrap_or(&mut []);
            block.fill(0.0);
            ask(block);
        }
        cpal::SampleFormat::I32 => {
            integers!(i32, |x| x, 32);
        }
        cpal::SampleFormat::I24 => {
            integers!(cpal::I24, cpal::I24::new_unchecked, 24);
        }
        cpal::SampleFormat::I16 => {
            integers!(i16, |x| x as i16, 16);
        }
        _ => {}
    }
}

/// An integer of so many bits as a share of full scale, rounded once.
fn to_float(x: i32, bits: u32) -> f32 {
    (f64::from(x) / f64::from(1u32 << (bits - 1))) as f32
}

/// The nearest integer of so many bits, held within full scale; NaN is 0.
fn to_integer(x: f32, bits: u32) -> i32 {
    let steps = f64::from(1u32 << (bits - 1));
    (f64::from(x) * steps)
        .round_ties_even()
        .clamp(-steps, steps - 1.0) as i32
}

/// What follows from an error of the host's.
fn told(mut on_fault: OnFault) -> impl FnMut(cpal::Error) + Send + 'static {
    move |error| {
        let kind = match error.kind() {
            ErrorKind::Xrun => FaultKind::Xrun,
            ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => FaultKind::Notice,
            _ => FaultKind::Lost,
        };
        // An xrun is reported where sound is made: no text is put together for it.
        let text = match kind {
            FaultKind::Xrun => String::new(),
            _ => error.to_string(),
        };
        on_fault(Fault { kind, text });
    }
}

fn opened(
    stream: Result<cpal::Stream, cpal::Error>,
    direction: Direction,
    device: &cpal::Device,
) -> Result<Box<dyn Stream>, DeviceError> {
    let refused = |error: cpal::Error| DeviceError::Refused {
        direction,
        device: name(device),
        why: error.to_string(),
    };
    let stream = stream.map_err(refused)?;
    Ok(Box::new(Open {
        stream,
        direction,
        device: name(device),
    }))
}

struct Open {
    stream: cpal::Stream,
    direction: Direction,
    device: String,
}

impl Stream for Open {
    fn start(&self) -> Result<(), DeviceError> {
        self.stream.play().map_err(|error| DeviceError::Refused {
            direction: self.direction,
            device: self.device.clone(),
            why: error.to_string(),
        })
    }

    fn period(&self) -> Option<usize> {
        self.stream.buffer_size().ok().map(|frames| frames as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_pass_both_ways_unchanged_and_full_scale_holds() {
        for bits in [16, 24, 32] {
            let most = i32::MAX >> (32 - bits);
            for x in [0, 1, -1, 1000, -1000, most / 2, -most - 1] {
                // 32 bits are more than a float holds.
                let exact = bits < 32 || x.unsigned_abs() < 1 << 24 || x == i32::MIN;
                let back = to_integer(to_float(x, bits), bits);
                assert!(back == x || !exact, "{x} of {bits} bits becomes {back}");
            }
            assert_eq!(to_float(-most - 1, bits), -1.0);
            assert_eq!(to_integer(1.0, bits), most);
            assert_eq!(to_integer(7.0, bits), most);
            assert_eq!(to_integer(-7.0, bits), -most - 1);
            assert_eq!(to_integer(f32::NAN, bits), 0);
            let step = to_float(1, bits);
            assert_eq!(to_integer(0.4 * step, bits), 0);
            assert_eq!(to_integer(0.6 * step, bits), 1);
        }
    }

    #[test]
    fn a_device_is_meant_by_its_number_its_name_or_a_part_that_no_other_has() {
        let labels = [
            (1, "Built-in Audio", "hw:0"),
            (2, "USB Audio", "hw:1"),
            (5, "USB Audio Pro", "hw:12"),
        ];
        let meant = |wanted| meant(&labels, wanted);
        assert_eq!(meant("5"), Ok(2));
        assert_eq!(meant("built"), Ok(0));
        assert_eq!(meant("usb audio"), Ok(1), "the whole name goes first");
        assert_eq!(meant("HW:1"), Ok(1));
        assert_eq!(meant("pro"), Ok(2));
        assert_eq!(meant("audio"), Err(vec![0, 1, 2]));
        assert_eq!(meant("3"), Err(vec![]));
        assert_eq!(meant("bluetooth"), Err(vec![]));
    }

    #[test]
    fn a_host_that_is_not_there_is_refused_with_those_that_are() {
        let mut ports = DevicePorts::new(Choice {
            host: Some("gramophone".to_owned()),
            ..Choice::default()
        });
        let error = ports.find().unwrap_err().to_string();
        assert!(error.contains("`gramophone`"), "{error}");
        #[cfg(target_os = "linux")]
        assert!(error.contains("jack") && error.contains("alsa"), "{error}");
    }
}
