//! Large blocks on several threads: one reads, convolves and writes, the others convolve.
//!
//! The blocks are the same whatever the number of threads, and so is every sum: only who computes
//! it changes. Blocks are read and written in order by the calling thread, which helps out while it has
//! nothing else to do; so many blocks are on their way that nobody waits, and no more.

use std::collections::VecDeque;
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
    board: Mutex<Board<T>>,
    news: Condvar,
}

/// A block to be transformed, with its index and the one before it.
type Read<T> = (u64, Option<Arc<Block<T>>>, Arc<Block<T>>);

/// What there is to do, and what is done.
struct Board<T: Sample> {
    /// Blocks read, answers begun, blocks written.
    read: u64,
    begun: u64,
    written: u64,
    inputs: VecDeque<Read<T>>,
    /// The spectra of the blocks from `oldest` on, as far as they are there.
    spectra: VecDeque<Option<Arc<Analysis<T>>>>,
    oldest: u64,
    /// The answers from `written` on, as far as they are there.
    answers: VecDeque<Option<Block<T>>>,
    spare_spectra: Vec<Analysis<T>>,
    spare: Vec<Block<T>>,
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
        out: Option<Block<T>>,
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
    /// The oldest answer whose spectra are all there, else a block to be transformed.
    fn task(&mut self, reach: u64) -> Option<Task<T>> {
        let index = self.begun;
        let first = index.saturating_sub(reach);
        let span = (first - self.oldest) as usize..(index + 1 - self.oldest) as usize;
        if index < self.read && self.spectra.range(span.clone()).all(Option::is_some) {
            self.begun += 1;
            let past = self.spectra.range(span).rev().flatten().cloned().collect();
            // The next answer does not reach back to the first of these.
            if (index + 1).saturating_sub(reach) > self.oldest {
                self.spectra.pop_front();
                self.oldest += 1;
            }
            let out = self.spare.pop();
            return Some(Task::Answer { index, past, out });
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
        Self {
            convolver,
            // Each thread has one in hand, and one is read or written meanwhile.
            most: if threads == 1 { 1 } else { threads as u64 + 1 },
            board: Mutex::new(Board {
                read: 0,
                begun: 0,
                written: 0,
                inputs: VecDeque::new(),
                spectra: VecDeque::new(),
                oldest: 0,
                answers: VecDeque::new(),
                spare_spectra: Vec::new(),
                spare: Vec::new(),
                closed: false,
            }),
            news: Condvar::new(),
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
                match board.task(self.convolver.reach() as u64) {
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
                let before = before.as_ref().map(|before| &before[..]);
                let analysis = self.convolver.analyse(before, &now, desk, used);
                let mut board = self.board();
                let place = (index - board.oldest) as usize;
                board.spectra[place] = Some(Arc::new(analysis));
            }
            Task::Answer { index, past, out } => {
                let block = self.convolver.block();
                let mut out = out.unwrap_or_else(|| vec![Vec::new(); self.convolver.outputs()]);
                // A block that was written may have been shortened.
                out.iter_mut().for_each(|out| out.resize(block, T::zero()));
                let all: Vec<&Analysis<T>> = past.iter().map(|analysis| &**analysis).collect();
                self.convolver.answer(&all, desk, &mut out);
                let mut board = self.board();
                let place = (index - board.written) as usize;
                board.answers[place] = Some(out);
                // Who holds the last share gives it back.
                let free = past.into_iter().filter_map(Arc::into_inner);
                board.spare_spectra.extend(free);
            }
        }
        self.news.notify_all();
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
        // What was read and not written yet.
        let mut heard: VecDeque<Piece<T>> = VecDeque::new();
        let mut behind: Option<Piece<T>> = None;
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
                    if let Some(piece) = feed.read()? {
                        self.post(piece.before.clone(), piece.now.clone());
                        heard.push_back(piece);
                        posted += 1;
                    }
                    if feed.ended && all.is_none() {
                        all = Some(match delivery.has_enough() {
                            true => feed.blocks,
                            false => (feed.frames + tail).div_ceil(block),
                        });
                    }
                }
                Next::Write(mut wet) => {
                    let piece = heard.pop_front().expect("what comes out was read");
                    if feed.ended {
                        let left = feed.frames + tail - written * block;
                        let left = usize::try_from(left).unwrap_or(usize::MAX);
                        wet.iter_mut().for_each(|wet| wet.truncate(left));
                    }
                    if piece.frames > 0 {
                        let input = piece.now.iter().map(|input| &input[..piece.frames]);
                        delivery.body(&input.collect::<Vec<_>>(), &mut wet)?;
                        progress(delivery.heard());
                    } else {
                        delivery.tail(&mut wet)?;
                    }
                    written += 1;
                    self.board().spare.push(wet);
                    // The next block's spectra need this one still, and are there when that is
                    // written.
                    if let Some(free) = behind.replace(piece) {
                        feed.spare.extend(Arc::into_inner(free.now));
                    }
                }
                // A thread has failed; who waits for it tells.
                Next::Gone => return Ok(()),
            }
        }
    }

    fn next(&self, more: bool) -> Next<T> {
        let mut board = self.board();
        loop {
            if let Some(Some(_)) = board.answers.front() {
                board.written += 1;
                if let Some(answer) = board.answers.pop_front().flatten() {
                    return Next::Write(answer);
                }
            }
            if board.closed {
                return Next::Gone;
            }
            if more && board.read - board.written < self.most {
                return Next::Read;
            }
            if let Some(task) = board.task(self.convolver.reach() as u64) {
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
        board.answers.push_back(None);
        drop(board);
        self.news.notify_all();
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

/// A block of the input, or of the silence behind it.
struct Piece<T> {
    before: Option<Arc<Block<T>>>,
    now: Arc<Block<T>>,
    /// Frames of it that are input.
    frames: usize,
}

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
        Piece {
            before: self.last.replace(now.clone()),
            now,
            frames,
        }
    }
}
