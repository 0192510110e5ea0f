//! Large blocks on several threads: one reads, convolves and writes, the others convolve.
//!
//! The blocks are the same whatever the number of threads, and so is every sum: only who computes
//! it changes. Blocks are read and written in order by the calling thread, which helps out while it has
//! nothing else to do; so many blocks are on their way that nobody waits, and no more.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::RunError;
use super::delivery::Delivery;
use crate::dsp::stored::{Analysis, Desk, StoredConvolver};
use crate::io::{Sink, Source};
use crate::signal::Sample;

/// A block of all channels.
type Block<T> = Vec<Vec<T>>;

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
    /// Blocks between reading and writing, at most.
    most: u64,
    /// Shares that the outputs of a group of blocks are cut into, so that all threads have one.
    shares: usize,
    board: Mutex<Board<T>>,
    news: Condvar,
    /// Nobody else is there to hear them.
    alone: bool,
}

/// A block to be transformed, with its index and the one before it.
type Read<T> = (u64, Option<Arc<Block<T>>>, Arc<Block<T>>);

/// What there is to do, and what is done.
struct Board<T: Sample> {
    /// Blocks read, and written.
    read: u64,
    written: u64,
    /// All that there will be, once that is known.
    all: Option<u64>,
    /// First block of the group that is answered next, and the next share of it.
    begun: u64,
    share: usize,
    inputs: VecDeque<Read<T>>,
    /// The spectra of the blocks from `oldest` on, as far as they are there.
    spectra: VecDeque<Option<Arc<Analysis<T>>>>,
    oldest: u64,
    /// The answers from `written` on, as far as they are there.
    answers: VecDeque<Vec<Option<Vec<T>>>>,
    spare_spectra: Vec<Analysis<T>>,
    spare_inputs: Vec<Block<T>>,
    spare: Vec<Vec<T>>,
    /// No more work.
    closed: bool,
}

enum Task<T: Sample> {
    Analyse {
        index: u64,
        before: Option<Arc<Block<T>>>,
        now: Arc<Block<T>>,
        used: Option<Analysis<T>>,
    },
    Answer {
        index: u64,
        /// The latest first.
        past: Vec<Arc<Analysis<T>>>,
        outputs: Range<usize>,
        /// For each output the blocks that are filled.
        out: Vec<Vec<Vec<T>>>,
    },
}

/// What the calling thread does next.
enum Next<T: Sample> {
    Read,
    Write(Block<T>),
    Work(Task<T>),
    Gone,
}

impl<T: Sample> Board<T> {
    /// A share of the oldest group whose spectra are all there, else a block to be transformed.
    fn task(&mut self, shop: &Shop<'_, T>) -> Option<Task<T>> {
        let convolver = shop.convolver;
        let index = self.begun;
        let left = self.all.map_or(u64::MAX, |all| all - index);
        let count = left.min(convolver.group() as u64);
        let reach = convolver.reach() as u64;
        let first = index.saturating_sub(reach);
        let span = (first - self.oldest) as usize..(index + count - self.oldest) as usize;
        let read = count > 0 && index + count <= self.read;
        if read && self.spectra.range(span.clone()).all(Option::is_some) {
            let past = self.spectra.range(span).rev().flatten().cloned().collect();
            let each = convolver.outputs().div_ceil(shop.shares);
            let from = self.share * each;
            let outputs = from..(from + each).min(convolver.outputs());
            let mut block = |_| self.spare.pop().unwrap_or_default();
            let out = outputs
                .clone()
                .map(|_| (0..count).map(&mut block).collect())
                .collect();
            self.share += 1;
            if outputs.end == convolver.outputs() {
                self.share = 0;
                self.begun += count;
                // The next group does not reach back to these.
                while self.begun.saturating_sub(reach) > self.oldest {
                    self.spectra.pop_front();
                    self.oldest += 1;
                }
            }
            return Some(Task::Answer {
                index,
                past,
                outputs,
                out,
            });
        }
        let (index, before, now) = self.inputs.pop_front()?;
        Some(Task::Analyse {
            index,
            before,
            now,
            used: self.spare_spectra.pop(),
        })
    }
}

impl<'a, T: Sample> Shop<'a, T> {
    fn new(convolver: &'a StoredConvolver<T>, threads: usize) -> Self {
        /// Bytes of blocks that are on their way beside the group in work.
        const AHEAD: usize = 16 << 20;
        let (inputs, outputs) = (convolver.inputs(), convolver.outputs());
        // A frame of a block, as it is read, as a spectrum and as an answer.
        let frame = (3 * inputs + outputs) * size_of::<T>();
        let ahead = match threads {
            1 => 0,
            _ => (AHEAD / (frame * convolver.block())).clamp(2, 4 * threads),
        };
        Self {
            convolver,
            most: (convolver.group() + ahead) as u64,
            shares: match convolver.group() {
                1 => 1,
                _ => threads.min(outputs),
            },
            board: Mutex::new(Board {
                read: 0,
                written: 0,
                all: None,
                begun: 0,
                share: 0,
                inputs: VecDeque::new(),
                spectra: VecDeque::new(),
                oldest: 0,
                answers: VecDeque::new(),
                spare_spectra: Vec::new(),
                spare_inputs: Vec::new(),
                spare: Vec::new(),
                closed: false,
            }),
            news: Condvar::new(),
            alone: threads == 1,
        }
    }

    /// Wakes whoever waits for something to do.
    fn spread(&self) {
        if !self.alone {
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

    fn wait<'b>(&self, board: MutexGuard<'b, Board<T>>) -> MutexGuard<'b, Board<T>> {
        let woken = self.news.wait(board);
        woken.unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_out(&self, task: Task<T>, desk: &mut Desk<T>) {
        match task {
            Task::Analyse {
                index,
                before,
                now,
                used,
            } => {
                let last = before.as_ref().map(|before| &before[..]);
                let analysis = self.convolver.analyse(last, &now, desk, used);
                let mut board = self.board();
                // Who holds the last share gives it back.
                let free = [before, Some(now)].into_iter().flatten();
                board.spare_inputs.extend(free.filter_map(Arc::into_inner));
                let place = (index - board.oldest) as usize;
                board.spectra[place] = Some(Arc::new(analysis));
            }
            Task::Answer {
                index,
                past,
                outputs,
                mut out,
            } => {
                let block = self.convolver.block();
                let all: Vec<&Analysis<T>> = past.iter().map(|analysis| &**analysis).collect();
                for (output, out) in outputs.clone().zip(&mut out) {
                    // A block that was written may have been shortened.
                    out.iter_mut().for_each(|out| out.resize(block, T::zero()));
                    self.convolver.answer(output, &all, desk, out);
                }
                let mut board = self.board();
                let place = (index - board.written) as usize;
                for (output, out) in outputs.zip(out) {
                    for (k, out) in out.into_iter().enumerate() {
                        board.answers[place + k][output] = Some(out);
                    }
                }
                // Who holds the last share gives it back.
                let free = past.into_iter().filter_map(Arc::into_inner);
                board.spare_spectra.extend(free);
            }
        }
        self.spread();
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
        let mut heard: VecDeque<(Option<Arc<Block<T>>>, usize)> = VecDeque::new();
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
                Next::Read => {
                    if let Some((before, now, frames)) = feed.read()? {
                        heard.push_back((keeps.then(|| now.clone()), frames));
                        self.post(before, now);
                        posted += 1;
                    }
                    if feed.ended && all.is_none() {
                        all = Some(match delivery.has_enough() {
                            true => feed.blocks,
                            false => (feed.frames + tail).div_ceil(block),
                        });
                        self.board().all = all;
                        self.spread();
                    }
                }
                Next::Write(mut wet) => {
                    let (input, frames) = heard.pop_front().expect("what comes out was read");
                    if feed.ended {
                        let left = feed.frames + tail - written * block;
                        let left = usize::try_from(left).unwrap_or(usize::MAX);
                        wet.iter_mut().for_each(|wet| wet.truncate(left));
                    }
                    if frames > 0 {
                        let input = input.iter().flat_map(|input| input.iter());
                        let input = input.map(|input| &input[..frames]).collect::<Vec<_>>();
                        delivery.body(frames, &input, &mut wet)?;
                        progress(delivery.heard());
                    } else {
                        delivery.tail(&mut wet)?;
                    }
                    written += 1;
                    let mut board = self.board();
                    board.spare.append(&mut wet);
                    feed.spare.append(&mut board.spare_inputs);
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
                return Next::Read;
            }
            if let Some(task) = board.task(self) {
                return Next::Work(task);
            }
            board = self.wait(board);
        }
    }

    /// Hangs out a block that was read.
    fn post(&self, before: Option<Arc<Block<T>>>, now: Arc<Block<T>>) {
        let mut board = self.board();
        let index = board.read;
        board.read += 1;
        board.inputs.push_back((index, before, now));
        board.spectra.push_back(None);
        board
            .answers
            .push_back(vec![None; self.convolver.outputs()]);
        drop(board);
        self.spread();
    }
}

/// Sends everybody home when it goes.
struct Closing<'a, 'b, T: Sample>(&'a Shop<'b, T>);

impl<T: Sample> Drop for Closing<'_, '_, T> {
    fn drop(&mut self) {
        self.0.board().closed = true;
        self.0.news.notify_all();
    }
}

/// A block of the input, or of the silence behind it, and the one before it; and how many of its
/// frames are input.
type Piece<T> = (Option<Arc<Block<T>>>, Arc<Block<T>>, usize);

/// Cuts a source into blocks.
struct Feed<'a, T, S> {
    source: &'a mut S,
    inputs: usize,
    block: usize,
    last: Option<Arc<Block<T>>>,
    silence: Option<Arc<Block<T>>>,
    /// Where a source gives less than a block at a time.
    rest: Block<T>,
    spare: Vec<Block<T>>,
    /// Frames and blocks of input so far.
    frames: u64,
    blocks: u64,
    ended: bool,
}

impl<'a, T: Sample, S: Source<T>> Feed<'a, T, S> {
    fn new(source: &'a mut S, convolver: &StoredConvolver<T>) -> Self {
        Self {
            source,
            inputs: convolver.inputs(),
            block: convolver.block(),
            last: None,
            silence: None,
            rest: vec![Vec::new(); convolver.inputs()],
            spare: Vec::new(),
            frames: 0,
            blocks: 0,
            ended: false,
        }
    }

    fn new_block(&self) -> Block<T> {
        vec![vec![T::zero(); self.block]; self.inputs]
    }

    /// The next block; silence behind the end. None where the end is found and nothing before it.
    fn read(&mut self) -> Result<Option<Piece<T>>, RunError> {
        if self.ended {
            let silence = match &self.silence {
                Some(silence) => silence.clone(),
                None => Arc::new(self.new_block()),
            };
            self.silence = Some(silence.clone());
            return Ok(Some(self.piece(silence, 0)));
        }
        let mut now = self.spare.pop().unwrap_or_else(|| self.new_block());
        let mut frames = self.source.read(&mut now)?;
        while 0 < frames && frames < self.block {
            let left = self.block - frames;
            let rest = self.rest.iter_mut();
            rest.for_each(|rest| rest.resize(left, T::zero()));
            let more = self.source.read(&mut self.rest)?;
            if more == 0 {
                break;
            }
            for (now, rest) in now.iter_mut().zip(&self.rest) {
                now[frames..frames + more].copy_from_slice(&rest[..more]);
            }
            frames += more;
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
        Ok(Some(self.piece(Arc::new(now), frames)))
    }

    fn piece(&mut self, now: Arc<Block<T>>, frames: usize) -> Piece<T> {
        (self.last.replace(now.clone()), now, frames)
    }
}
