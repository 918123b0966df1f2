//! Chains of existing operations: each begins when the one before has succeeded. Knows the types of
//! the steps; when which step is handed over is decided elsewhere in the crate, by `chain`.

use super::operation::Operation;
use super::operation::sealed::{After, Describe, Described, Surroundings};
use super::{
    Advise, Allocate, Append, Link, MakeDirectory, Nop, Open, Read, ReadVectored, Rename, Stat,
    Sync, SyncRange, Truncate, Unlink, Write, WriteVectored, WriteWith,
};
use crate::answers::Answers;
use crate::error::Error;
use std::path::Path;

/// Operations one after the other: each begins only when the one before has succeeded, all are
/// accepted together or none, and the callback comes once, after the last.
///
/// ```
/// use iomill_engine::{Chain, Config, File, Sync, Write};
///
/// # fn main() -> Result<(), iomill_engine::Error> {
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("log");
/// let mut engine = Config::new().start()?;
/// let file = File::options().write(true).create(true).open(path)?;
/// let mut buffer = engine.buffer().expect("nobody has taken one yet");
/// buffer.fill(7);
/// let write = Write { file: file.clone(), offset: 0, buffer };
/// let chain = Chain::new((write, Sync { file, data_only: true }));
/// engine.submit(chain, |done, _| match done.result {
///     Ok((bytes, ())) => println!("{bytes} bytes are durable"),
///     Err(error) => eprintln!("step {:?} failed: {error}", error.failed_step()),
/// })?;
/// engine.drain()
/// # }
/// ```
///
/// Output: what each step gives. An error is that of the step that failed, and
/// [`Error::failed_step`] says which that was: those before it have succeeded, those after it were
/// not begun. A read that ends at the end of its file has succeeded.
///
/// Where the backend can, steps are handed over together, linked: then the kernel begins the next
/// one by itself. After a short transfer, EINTR or EAGAIN the remainder is handed over again, and
/// all later steps anew behind it. What a chain means does not depend on any of that.
///
/// Each step counts as one request of the engine's capacity. [`Engine::cancel`](crate::Engine) and
/// deadlines end the chain at the step that it has come to: its error tells which.
///
/// The steps are on the heap, so that long chains stay small: they come back with the completion,
/// and a chain that is submitted again allocates nothing.
///
/// Kernel: `IOSQE_IO_LINK` (Linux 5.3) behind reads and writes. Behind other steps Linux 6.18 was
/// seen to go on after a failure, so there the engine waits for the completion.
#[derive(Debug)]
pub struct Chain<S> {
    /// The steps: a tuple of two to eight operations.
    pub steps: Box<S>,
}

impl<S: ChainSteps> Chain<S> {
    /// A chain of these steps.
    pub fn new(steps: S) -> Self {
        Self { steps: Box::new(steps) }
    }
}

impl<S: ChainSteps> Operation for Chain<S> {
    type Output = S::Outputs;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<S::Outputs, Error> {
        match answer {
            Err(error) => Err(error),
            Ok(_) => unreachable!("one answer is none to a chain"),
        }
    }

    fn outcome_of_steps(&mut self, answers: &mut Answers) -> Result<S::Outputs, Error> {
        self.steps.outcome(answers)
    }
}

impl<S: ChainSteps> Describe for Chain<S> {
    const STEPS: u32 = S::COUNT;

    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        self.steps.describe(0, surroundings, into)
    }

    fn describe_step(
        &mut self,
        step: u32,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<After, Error> {
        self.steps.describe(step, surroundings, into)?;
        Ok(After::Success)
    }

    fn path(&self) -> Option<&Path> {
        // Errors name the file of their step.
        None
    }
}

/// An operation that can be a step of a [`Chain`]: all but those of several steps, and but
/// [`Close`](crate::Close), which could not close a file that other steps hold.
pub trait ChainStep: Operation {}

/// The steps of a [`Chain`]: tuples of two to eight operations.
pub trait ChainSteps: sealed::Steps + 'static {
    /// What each step gives.
    type Outputs: std::fmt::Debug;

    /// The outcome as the caller sees it.
    #[doc(hidden)]
    fn outcome(&mut self, answers: &mut Answers) -> Result<Self::Outputs, Error>;
}

mod sealed {
    use super::{Described, Error, Surroundings};

    pub trait Steps {
        const COUNT: u32;

        fn describe(
            &mut self,
            step: u32,
            surroundings: Surroundings<'_>,
            into: &mut Described,
        ) -> Result<(), Error>;
    }
}

/// What one step gives; `None` if it was not begun.
fn outcome_of<O: Operation>(
    op: &mut O,
    step: usize,
    answers: &mut Answers,
) -> Option<Result<O::Output, Error>> {
    let answer = answers.take(step)?;
    let answer = answer.map_err(|error| match op.path() {
        Some(path) => error.with_path(path),
        None => error,
    });
    Some(op.outcome(answer))
}

/// What a step gives behind which nothing has failed.
fn begun<T>(outcome: Option<Result<T, Error>>) -> Result<T, Error> {
    match outcome {
        Some(outcome) => outcome,
        None => unreachable!("a step that was not begun comes after one that failed"),
    }
}

macro_rules! steps {
    ($count:literal: $($step:ident $index:tt),+) => {
        impl<$($step: ChainStep),+> sealed::Steps for ($($step,)+) {
            const COUNT: u32 = $count;

            fn describe(
                &mut self,
                step: u32,
                surroundings: Surroundings<'_>,
                into: &mut Described,
            ) -> Result<(), Error> {
                match step {
                    $($index => self.$index.describe(surroundings, into),)+
                    _ => unreachable!("a chain is asked for the steps that it has"),
                }
            }
        }

        impl<$($step: ChainStep),+> ChainSteps for ($($step,)+) {
            type Outputs = ($($step::Output,)+);

            fn outcome(&mut self, answers: &mut Answers) -> Result<Self::Outputs, Error> {
                // Each that was begun learns its outcome, also when a later one has failed.
                let outcomes = ($(outcome_of(&mut self.$index, $index, answers),)+);
                Ok(($(begun(outcomes.$index)?,)+))
            }
        }
    };
}

steps!(2: A 0, B 1);
steps!(3: A 0, B 1, C 2);
steps!(4: A 0, B 1, C 2, D 3);
steps!(5: A 0, B 1, C 2, D 3, E 4);
steps!(6: A 0, B 1, C 2, D 3, E 4, F 5);
steps!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
steps!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

impl ChainStep for Advise {}
impl ChainStep for Allocate {}
impl ChainStep for Append {}
impl ChainStep for Link {}
impl ChainStep for MakeDirectory {}
impl ChainStep for Nop {}
impl ChainStep for Open {}
impl ChainStep for Read {}
impl ChainStep for ReadVectored {}
impl ChainStep for Rename {}
impl ChainStep for Stat {}
impl ChainStep for Sync {}
impl ChainStep for SyncRange {}
impl ChainStep for Truncate {}
impl ChainStep for Unlink {}
impl ChainStep for Write {}
impl ChainStep for WriteVectored {}
impl ChainStep for WriteWith {}
