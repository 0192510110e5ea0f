//! Large blocks on several threads: one reads, convolves and writes, the others convolve.
//!
//! The blocks are the same whatever the number of threads, and so is every sum: only who computes
//! it changes. Blocks are read and written in order by the calling thread, which helps out while it has
//! nothing else to do; so many blocks are on their way that nobody waits, and no more.
//!
//! Most memory goes to the spectra of the past, so little else shall lie beside them. Parts of a
//! matrix that share nothing are computed one by one, and only those in work have spectra that go
//! beyond the past; a channel's samples make room for its answers once they are transformed.

use std::collections::VecDeque;
use std::collections::vec_deque::Iter;
use std::hint;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::RunError;
use super::delivery::Delivery;
use crate::dsp::stored::{Analysis, Desk, Part, StoredConvolver};
use crate::io::{Sink, Source};
use crate::signal::Sample;

/// A block of one channel, which those share that still need it.
type Channel<T> = Arc<Vec<T>>;

/// Samples of all channels that are read or written at once: with their bytes, they stay near.
const PIECE: usize = 1 << 16;

/// Moves everything from the source through the convolver to the sink.
pub(super) fn pump<T: Sample, S: Source<T>, K: Sink<T>>(
    convolver: &StoredConvolver<T>,
    threads: usize,
    source: &mut S,
    delivery: &mut Delivery<'_, T, K>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), RunError> {
    let shop = Shop::new(convolver, threads);
    thread::scope(|scope| {
        // Whatever happens here, the others are sent home.
        let _closing = Closing(&shop);
        for _ in 1..threads {
            scope.spawn(|| shop.work());
        }
        shop.run(source, delivery, progress)
    })
}

/// Where the tasks lie.
struct Shop<'a, T: Sample> {
    convolver: &'a StoredConvolver<T>,
    /// What can be computed independently.
    parts: Vec<Part<T>>,
    /// Blocks between reading and writing, at most.
    most: u64,
    /// Blocks behind the group that is answered next that may be transformed meanwhile.
    beyond: u64,
    threads: usize,
    board: Mutex<Board<T>>,
    news: Condvar,
    /// Counts the news; changed by who holds the board.
    told: AtomicU64,
}

/// What there is to do, and what is done.
struct Board<T: Sample> {
    /// Blocks read, and written.
    read: u64,
    written: u64,
    /// All that there will be, once that is known.
    all: Option<u64>,
    /// One for each part.
    strands: Vec<Strand<T>>,
    /// The answers from `written` on, as far as they are there.
    answers: VecDeque<Vec<Option<Vec<T>>>>,
    spare_spectra: Vec<Analysis<T>>,
    /// Blocks of a channel, for whatever comes next.
    spare: Vec<Vec<T>>,
    /// Threads that wait for news: where there are none, nobody has to be called.
    waiting: usize,
    /// No more work.
    closed: bool,
}

/// How far an independent part is.
struct Strand<T: Sample> {
    /// First block of the group that is answered next, and the next share of it.
    begun: u64,
    share: usize,
    inputs: VecDeque<Heard<T>>,
    /// The spectra of the blocks from `oldest` on, as far as they are there.
    spectra: VecDeque<Option<Arc<Analysis<T>>>>,
    oldest: u64,
}

/// A block to be transformed, with its index.
struct Heard<T> {
    index: u64,
    now: Vec<Channel<T>>,
}

enum Task<T: Sample> {
    Analyse {
        part: usize,
        heard: Heard<T>,
        used: Option<Analysis<T>>,
    },
    Answer {
        part: usize,
        index: u64,
        /// The latest first.
        past: Vec<Arc<Analysis<T>>>,
        /// Of the part's own.
        outputs: Range<usize>,
        /// For each output the blocks that are filled.
        out: Vec<Vec<Vec<T>>>,
    },
}

/// What the calling thread does next.
enum Next<T: Sample> {
    Read(Vec<Vec<T>>),
    Write(Vec<Vec<T>>),
    Work(Task<T>),
    Gone,
}

impl<T: Sample> Strand<T> {
    fn new() -> Self {
        Self {
            begun: 0,
            share: 0,
            inputs: VecDeque::new(),
            spectra: VecDeque::new(),
            oldest: 0,
        }
    }

    /// Blocks of the group that is answered next, where all of it is read.
    fn group(&self, most: usize, all: Option<u64>) -> Option<Range<u64>> {
        let left = all.map_or(u64::MAX, |all| all - self.begun);
        let end = self.begun + left.min(most as u64);
        let read = self.oldest + self.spectra.len() as u64;
        (self.begun < end && end <= read).then_some(self.begun..end)
    }

    /// The spectra that these blocks answer to, as far as they are there.
    fn heard(&self, blocks: &Range<u64>, reach: usize) -> Iter<'_, Option<Arc<Analysis<T>>>> {
        let first = blocks.start.saturating_sub(reach as u64);
        let place = |index: u64| (index - self.oldest) as usize;
        self.spectra.range(place(first)..place(blocks.end))
    }
}

impl<T: Sample> Board<T> {
    /// A share of the oldest group whose spectra are all there, else a block to be transformed. The
    /// part that is least far comes first, no group is begun before all of it is read, and those
    /// behind it only where there would be nothing to do else, so that few spectra wait.
    fn task(&mut self, shop: &Shop<'_, T>) -> Option<Task<T>> {
        let (group, all) = (shop.convolver.group(), self.all);
        let strands = self.strands.iter().zip(&shop.parts).enumerate();
        let ready = strands.filter_map(|(index, (strand, part))| {
            let blocks = strand.group(group, all)?;
            let mut heard = strand.heard(&blocks, part.convolver.reach());
            heard.all(Option::is_some).then_some((index, blocks))
        });
        if let Some((part, blocks)) = ready.min_by_key(|(_, blocks)| blocks.start) {
            return Some(self.answer(shop, part, blocks));
        }
        let strands = self.strands.iter_mut().enumerate();
        let heard = strands.filter(|(_, strand)| {
            let blocks = strand.group(group, all);
            let next = strand.inputs.front();
            blocks
                .zip(next)
                .is_some_and(|(blocks, next)| next.index < blocks.end + shop.beyond)
        });
        let (part, strand) = heard.min_by_key(|(_, strand)| strand.begun)?;
        Some(Task::Analyse {
            part,
            heard: strand.inputs.pop_front()?,
            used: self.spare_spectra.pop(),
        })
    }

    /// The next share of a group of blocks.
    fn answer(&mut self, shop: &Shop<'_, T>, part: usize, blocks: Range<u64>) -> Task<T> {
        let (index, count) = (blocks.start, blocks.end - blocks.start);
        let (strand, Part { convolver, .. }) = (&mut self.strands[part], &shop.parts[part]);
        let reach = convolver.reach() as u64;
        let past = strand.heard(&blocks, convolver.reach()).rev();
        let past = past.flatten().cloned().collect();
        // So many that all threads have one.
        let shares = shop.threads.div_ceil(shop.parts.len());
        let each = convolver.outputs().div_ceil(shares);
        let from = strand.share * each;
        let outputs = from..(from + each).min(convolver.outputs());
        let mut block = |_| self.spare.pop().unwrap_or_default();
        let out = outputs
            .clone()
            .map(|_| (0..count).map(&mut block).collect())
            .collect();
        strand.share += 1;
        if outputs.end == convolver.outputs() {
            strand.share = 0;
            strand.begun = blocks.end;
            // The next group does not reach back to these.
            while strand.begun.saturating_sub(reach) > strand.oldest {
                strand.spectra.pop_front();
                strand.oldest += 1;
            }
        }
        Task::Answer {
            part,
            index,
            past,
            outputs,
            out,
        }
    }
}

impl<'a, T: Sample> Shop<'a, T> {
    fn new(convolver: &'a StoredConvolver<T>, threads: usize) -> Self {
        /// Bytes of samples that are read ahead, at most, but for what a group needs; the same for
        /// the spectra of groups that nobody answers yet.
        const AHEAD: usize = 16 << 20;
        let parts = convolver.parts();
        let (inputs, outputs) = (convolver.inputs(), convolver.outputs());
        let block = inputs.max(outputs) * convolver.block() * size_of::<T>();
        // While a group is computed, the next one is read; more, where few parts share the work.
        let group = convolver.group();
        let ahead = match threads {
            1 => 0,
            _ => (8 * threads)
                .div_ceil(parts.len().max(1))
                .min(AHEAD / block)
                .max(group),
        };
        // Where there are more threads than parts, each has a group of its own.
        let spectra = 2 * group * block;
        let beyond = threads.div_ceil(parts.len().max(1)) - 1;
        let beyond = group * beyond.min(AHEAD / spectra);
        Self {
            convolver,
            most: (group + ahead) as u64,
            beyond: beyond as u64,
            threads,
            board: Mutex::new(Board {
                read: 0,
                written: 0,
                all: None,
                strands: parts.iter().map(|_| Strand::new()).collect(),
                answers: VecDeque::new(),
                spare_spectra: Vec::new(),
                spare: Vec::new(),
                waiting: 0,
                closed: false,
            }),
            parts,
            news: Condvar::new(),
            told: AtomicU64::new(0),
        }
    }

    /// Wakes whoever waits for something to do.
    fn spread(&self, board: MutexGuard<'_, Board<T>>) {
        self.told.fetch_add(1, Ordering::Release);
        let heard = board.waiting > 0;
        drop(board);
        if heard {
            self.news.notify_all();
        }
    }

    fn board(&self) -> MutexGuard<'_, Board<T>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes tasks until there are no more.
    fn work(&self) {
        // A thread that fails ends the others, and then the caller hears of it.
        let _closing = Closing(self);
        let mut desk = self.convolver.desk();
        loop {
            let mut board = self.board();
            let task = loop {
                if board.closed {
                    return;
                }
                match board.task(self) {
                    Some(task) => break task,
                    None => board = self.wait(board),
                }
            };
            drop(board);
            self.carry_out(task, &mut desk);
        }
    }

    /// Until somebody tells something: looks for a while, for to sleep and to be woken takes as long
    /// as a small task does, and sleeps then.
    fn wait<'b>(&'b self, board: MutexGuard<'b, Board<T>>) -> MutexGuard<'b, Board<T>> {
        /// Looks, some hundred microseconds together.
        const LOOKS: u32 = 5000;
        let known = self.told.load(Ordering::Acquire);
        drop(board);
        for _ in 0..LOOKS {
            if self.told.load(Ordering::Acquire) != known {
                break;
            }
            hint::spin_loop();
        }
        let mut board = self.board();
        if self.told.load(Ordering::Acquire) != known {
            return board;
        }
        board.waiting += 1;
        let woken = self.news.wait(board);
        let mut board = woken.unwrap_or_else(PoisonError::into_inner);
        board.waiting -= 1;
        board
    }

    fn carry_out(&self, task: Task<T>, desk: &mut Desk<T>) {
        match task {
            Task::Analyse { part, heard, used } => {
                let Heard { index, now } = heard;
                let slices: Vec<&[T]> = now.iter().map(|channel| &channel[..]).collect();
                let analysis = self.parts[part].convolver.analyse(&slices, desk, used);
                let mut board = self.board();
                // Who holds the last share gives it back.
                board
                    .spare
                    .extend(now.into_iter().filter_map(Arc::into_inner));
                let strand = &mut board.strands[part];
                let place = (index - strand.oldest) as usize;
                strand.spectra[place] = Some(Arc::new(analysis));
                self.spread(board);
            }
            Task::Answer {
                part,
                index,
                past,
                outputs,
                mut out,
            } => {
                let block = self.convolver.block();
                let part = &self.parts[part];
                let all: Vec<&Analysis<T>> = past.iter().map(|analysis| &**analysis).collect();
                for (output, out) in outputs.clone().zip(&mut out) {
                    // A block that was written may have been shortened.
                    out.iter_mut().for_each(|out| out.resize(block, T::zero()));
                    part.convolver.answer(output, &all, desk, out);
                }
                let mut board = self.board();
                let place = (index - board.written) as usize;
                for (&output, out) in part.outputs[outputs].iter().zip(out) {
                    for (k, out) in out.into_iter().enumerate() {
                        board.answers[place + k][output] = Some(out);
                    }
                }
                // Who holds the last share gives it back.
                let free = past.into_iter().filter_map(Arc::into_inner);
                board.spare_spectra.extend(free);
                self.spread(board);
            }
        }
    }

    /// What the calling thread does: deliver first, then read, then help.
    fn run<S: Source<T>, K: Sink<T>>(
        &self,
        source: &mut S,
        delivery: &mut Delivery<'_, T, K>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RunError> {
        let (block, tail) = (
            self.convolver.block() as u64,
            self.convolver.tail_len() as u64,
        );
        let mut desk = self.convolver.desk();
        let mut feed = Feed::new(source, self.convolver);
        let keeps = delivery.needs_input();
        // What was read and not written yet: the block, if it is needed, and its frames.
        let mut heard: VecDeque<(Vec<Channel<T>>, usize)> = VecDeque::new();
        // A piece of what is written.
        let mut near: Vec<Vec<T>> = vec![Vec::new(); self.convolver.outputs()];
        // Blocks posted and written, and all there are, once that is known.
        let (mut posted, mut written, mut all) = (0, 0, None);
        let mut told = false;
        loop {
            if feed.ended && feed.frames == 0 {
                return Ok(());
            }
            if feed.ended && written == feed.blocks && !told {
                delivery.end_of_input(0)?;
                told = true;
            }
            if all == Some(written) || told && delivery.has_enough() {
                return Ok(());
            }
            match self.next(all.is_none_or(|all| posted < all)) {
                Next::Work(task) => self.carry_out(task, &mut desk),
                Next::Read(used) => {
                    if let Some((now, frames)) = feed.read(used)? {
                        let kept = if keeps { now.clone() } else { Vec::new() };
                        heard.push_back((kept, frames));
                        self.post(now);
                        posted += 1;
                    }
                    if feed.ended && all.is_none() {
                        all = Some(match delivery.has_enough() {
                            true => feed.blocks,
                            false => (feed.frames + tail).div_ceil(block),
                        });
                        let mut board = self.board();
                        board.all = all;
                        self.spread(board);
                    }
                }
                Next::Write(mut wet) => {
                    let (input, frames) = heard.pop_front().expect("what comes out was read");
                    if feed.ended {
                        let left = feed.frames + tail - written * block;
                        let left = usize::try_from(left).unwrap_or(usize::MAX);
                        wet.iter_mut().for_each(|wet| wet.truncate(left));
                    }
                    // What is written at once stays near from here to its bytes.
                    let len = wet.first().map_or(0, Vec::len);
                    for from in (0..len).step_by(feed.piece) {
                        let to = len.min(from + feed.piece);
                        let piece = match to - from < len {
                            false => &mut wet,
                            true => {
                                for (near, wet) in near.iter_mut().zip(&wet) {
                                    near.clear();
                                    near.extend_from_slice(&wet[from..to]);
                                }
                                &mut near
                            }
                        };
                        if frames > 0 {
                            let heard = from.min(frames)..to.min(frames);
                            let input = input.iter().map(|input| &input[heard.clone()]);
                            let input: Vec<&[T]> = input.collect();
                            delivery.body(heard.len(), &input, piece)?;
                        } else {
                            delivery.tail(piece)?;
                        }
                    }
                    if frames > 0 {
                        progress(delivery.heard());
                    }
                    written += 1;
                    let mut board = self.board();
                    board.spare.append(&mut wet);
                    board
                        .spare
                        .extend(input.into_iter().filter_map(Arc::into_inner));
                }
                // A thread has failed; who waits for it tells.
                Next::Gone => return Ok(()),
            }
        }
    }

    fn next(&self, more: bool) -> Next<T> {
        let mut board = self.board();
        loop {
            let whole = |answer: &Vec<Option<Vec<T>>>| answer.iter().all(Option::is_some);
            if board.answers.front().is_some_and(whole)
                && let Some(answer) = board.answers.pop_front()
            {
                board.written += 1;
                return Next::Write(answer.into_iter().flatten().collect());
            }
            if board.closed {
                return Next::Gone;
            }
            if more && board.read - board.written < self.most {
                let used = board.spare.len().saturating_sub(self.convolver.inputs());
                return Next::Read(board.spare.split_off(used));
            }
            if let Some(task) = board.task(self) {
                return Next::Work(task);
            }
            board = self.wait(board);
        }
    }

    /// Hangs out a block that was read.
    fn post(&self, now: Vec<Channel<T>>) {
        let mut board = self.board();
        let index = board.read;
        board.read += 1;
        for (part, strand) in self.parts.iter().zip(&mut board.strands) {
            let its = part.inputs.iter().map(|&input| now[input].clone());
            let now = its.collect();
            strand.inputs.push_back(Heard { index, now });
            strand.spectra.push_back(None);
        }
        board
            .answers
            .push_back(vec![None; self.convolver.outputs()]);
        self.spread(board);
    }
}

/// Sends everybody home when it goes.
struct Closing<'a, 'b, T: Sample>(&'a Shop<'b, T>);

impl<T: Sample> Drop for Closing<'_, '_, T> {
    fn drop(&mut self) {
        let mut board = self.0.board();
        board.closed = true;
        self.0.told.fetch_add(1, Ordering::Release);
        drop(board);
        self.0.news.notify_all();
    }
}

/// A block of the input, or of the silence behind it, and how many of its frames are input.
type Piece<T> = (Vec<Channel<T>>, usize);

/// Cuts a source into blocks.
struct Feed<'a, T, S> {
    source: &'a mut S,
    block: usize,
    silence: Option<Channel<T>>,
    /// A piece of what is read, and its frames at most.
    near: Vec<Vec<T>>,
    piece: usize,
    /// Frames and blocks of input so far.
    frames: u64,
    blocks: u64,
    ended: bool,
}

impl<'a, T: Sample, S: Source<T>> Feed<'a, T, S> {
    fn new(source: &'a mut S, convolver: &StoredConvolver<T>) -> Self {
        let channels = convolver.inputs().max(convolver.outputs());
        Self {
            source,
            block: convolver.block(),
            silence: None,
            near: vec![Vec::new(); convolver.inputs()],
            piece: (PIECE / channels).clamp(1, convolver.block()),
            frames: 0,
            blocks: 0,
            ended: false,
        }
    }

    /// The next block, in what was `used` before; silence behind the end. None where the end is
    /// found and nothing before it.
    fn read(&mut self, mut used: Vec<Vec<T>>) -> Result<Option<Piece<T>>, RunError> {
        if self.ended {
            let new = || Arc::new(vec![T::zero(); self.block]);
            let silence = self.silence.get_or_insert_with(new).clone();
            let now = vec![silence; self.near.len()];
            return Ok(Some((now, 0)));
        }
        used.resize_with(self.near.len(), Vec::new);
        let mut now = used;
        now.iter_mut()
            .for_each(|now| now.resize(self.block, T::zero()));
        let mut frames = 0;
        loop {
            let room = self.piece.min(self.block - frames);
            let more = if room == self.block {
                self.source.read(&mut now)?
            } else {
                let near = self.near.iter_mut();
                near.for_each(|near| near.resize(room, T::zero()));
                let more = self.source.read(&mut self.near)?;
                for (now, near) in now.iter_mut().zip(&self.near) {
                    now[frames..frames + more].copy_from_slice(&near[..more]);
                }
                more
            };
            frames += more;
            if more == 0 || frames == self.block {
                break;
            }
        }
        self.ended = frames < self.block;
        if frames == 0 {
            return Ok(None);
        }
        for now in &mut now {
            now[frames..].fill(T::zero());
        }
        self.frames += frames as u64;
        self.blocks += 1;
        let now = now.into_iter().map(Arc::new).collect();
        Ok(Some((now, frames)))
    }
}
