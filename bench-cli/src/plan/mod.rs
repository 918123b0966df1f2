//! From sections and the command line to the list of jobs.
//!
//! Owns inheritance (defaults, `[global]`, section, command line), copies, groups, and the stages
//! between which everything stops. It opens no file. Called by `main`; `runner` runs its jobs.

use crate::cli::{Assignment, Origin};
use crate::error::Error;
use crate::job::{IoEngine, JobSpec, RunSpec};
use crate::job_file::{self, Line, Section};
use crate::notice;
use crate::options::{self, Foreign, Scope, Settings};

/// All jobs of an invocation, in their order.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) run: RunSpec,
    pub(crate) jobs: Vec<PlannedJob>,
    /// The options of `[global]`, for the report.
    pub(crate) global_options: Vec<(String, String)>,
}

/// One job: one copy of a section.
#[derive(Clone, Debug)]
pub(crate) struct PlannedJob {
    pub(crate) spec: JobSpec,
    /// The number of this copy, from 0 on.
    pub(crate) copy: u32,
    /// fio's `groupid`.
    pub(crate) group: u32,
    /// Jobs of one stage run together; the next stage begins when all have ended.
    pub(crate) stage: u32,
    /// The options of the section as they were given, under their first names.
    pub(crate) options: Vec<(String, String)>,
}

/// A section with its options resolved.
struct Described {
    name: Option<String>,
    /// Where it stands, for messages: empty for the command line.
    place: String,
    global: Vec<Assignment>,
    own: Vec<Assignment>,
}

impl Plan {
    /// The jobs of the command line alone: each `--name` begins one.
    ///
    /// # Errors
    ///
    /// A usage error that names the option.
    pub(crate) fn of_command_line(given: &[Assignment]) -> Result<Plan, Error> {
        let (run, job): (Vec<_>, Vec<_>) =
            given.iter().cloned().partition(|given| given.option.scope == Scope::Run);
        if run.iter().any(|given| given.option.name == "section") {
            return Err(Error::usage(
                "--section chooses jobs of a job file, and there is none; name the file",
            ));
        }
        let first = job.iter().position(|given| given.option.name == "name");
        let (global, rest) = job.split_at(first.unwrap_or(0));
        let mut described: Vec<Described> = Vec::new();
        for assignment in rest {
            if assignment.option.name == "name" || described.is_empty() {
                described.push(Described {
                    name: None,
                    place: String::new(),
                    global: global.to_vec(),
                    own: Vec::new(),
                });
            }
            described.iter_mut().last().into_iter().for_each(|d| d.own.push(assignment.clone()));
        }
        let many = described.len() > 1;
        for described in &mut described {
            refuse_twice(&described.global)?;
            refuse_twice(&described.own)?;
            if !many {
                // With one job there is nothing that options before its name could be shared with.
                described.own.splice(0..0, described.global.drain(..));
            }
        }
        assemble(&run, &described, &[])
    }

    /// The jobs of job files. Options of the command line are for every job and go before those of
    /// the files. Several files run one after the other.
    ///
    /// # Errors
    ///
    /// A usage error that names the line or the option.
    pub(crate) fn of_files(files: Vec<Vec<Section>>, given: &[Assignment]) -> Result<Plan, Error> {
        let (run, over): (Vec<_>, Vec<_>) =
            given.iter().cloned().partition(|given| given.option.scope == Scope::Run);
        if over.iter().any(|given| given.option.name == "name") {
            return Err(Error::usage(
                "--name begins a job of the command line, and there is a job file; give \
                 --section=NAME to choose a job of the file",
            ));
        }
        refuse_twice(&over)?;
        let wishes = run_spec(&run)?;
        let mut described = Vec::new();
        for (index, sections) in files.into_iter().enumerate() {
            let first = described.len();
            describe(sections, &wishes, &mut described)?;
            if let (true, Some(section)) = (index > 0, described.get_mut(first))
                && let Some(option) = options::find("stonewall")
            {
                let text = "1".to_owned();
                section.own.push(Assignment { option, text, origin: Origin::CommandLine });
            }
        }
        if described.is_empty() {
            let known = wishes.sections.join(", ");
            return Err(Error::usage(format!("--section={known}: no job has this name")));
        }
        assemble(&run, &described, &over)
    }
}

fn run_spec(given: &[Assignment]) -> Result<RunSpec, Error> {
    let mut settings = Settings::default();
    given.iter().try_for_each(|assignment| assignment.apply(&mut settings))?;
    Ok(settings.run)
}

/// Resolves the sections of one file.
fn describe(
    sections: Vec<Section>,
    wishes: &RunSpec,
    described: &mut Vec<Described>,
) -> Result<(), Error> {
    let mut global = Vec::new();
    for section in sections {
        // Other engines bring options of their own; the engine is what there is to say.
        for line in section.lines.iter().filter(|line| line.name == "ioengine") {
            if let Some(engine) = line.value.as_deref().filter(|value| !value.contains('$')) {
                IoEngine::from_name(engine)
                    .map_err(|why| Error::usage(format!("{}: ioengine: {why}", line.place)))?;
            }
        }
        let own = section
            .lines
            .iter()
            .filter_map(|line| resolve(line, wishes.ignore_unsupported).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        if section.is_global() {
            global.extend(own);
        } else if wishes.sections.is_empty() || wishes.sections.contains(&section.name) {
            described.push(Described {
                name: Some(section.name),
                place: section.place,
                global: global.clone(),
                own,
            });
        }
    }
    Ok(())
}

/// The option that a line sets; `None` for one that is passed over.
fn resolve(line: &Line, ignore_unsupported: bool) -> Result<Option<Assignment>, Error> {
    let Line { place, name, value } = line;
    if let Some(option) = options::find(name) {
        if option.scope == Scope::Run {
            return Err(Error::usage(format!(
                "{place}: {name} is for the command line: --{}",
                option.name
            )));
        }
        let text = match value {
            Some(text) => job_file::expand(text)
                .map_err(|why| Error::usage(format!("{place}: {name}: {why}")))?,
            None if option.value_alone().is_some() => {
                option.value_alone().unwrap_or_default().to_owned()
            }
            None => {
                let example = option.example();
                return Err(Error::usage(format!(
                    "{place}: {name} needs a value: {name}={example}"
                )));
            }
        };
        return Ok(Some(Assignment { option, text, origin: Origin::File(place.clone()) }));
    }
    match options::foreign(name) {
        Some((name, Foreign::NoEffect(why))) => {
            notice::line(&format!("bench-cli: note: {place}: {name} does nothing here: {why}"));
            Ok(None)
        }
        Some((name, Foreign::Unsupported(why))) if ignore_unsupported => {
            notice::line(&format!("bench-cli: warning: {place}: {name} is passed over: {why}"));
            Ok(None)
        }
        None if ignore_unsupported => {
            notice::line(&format!("bench-cli: warning: {place}: {name} is unknown, passed over"));
            Ok(None)
        }
        known => Err(Error::usage(format!("{place}: {}", options::refusal(name, known)))),
    }
}

fn refuse_twice(given: &[Assignment]) -> Result<(), Error> {
    for (index, assignment) in given.iter().enumerate() {
        let name = assignment.option.name;
        // A range and a mix of sizes are other ways of saying bs; that is no contradiction.
        if given[..index].iter().any(|other| other.option.name == name) {
            return Err(Error::usage(format!("--{name} is given twice; one job takes it once")));
        }
    }
    Ok(())
}

/// Applies everything in its order, and makes copies, groups and stages.
fn assemble(
    run: &[Assignment],
    described: &[Described],
    over: &[Assignment],
) -> Result<Plan, Error> {
    remark(described, over);
    let run = run_spec(run)?;
    let mut plan = Plan { run, jobs: Vec::new(), global_options: Vec::new() };
    let (mut group, mut stage, mut jobs_in_group) = (0, 0, false);
    for described in described {
        let (spec, options) = job(described, over)?;
        if plan.run.readonly && spec.rw.changes() {
            return Err(Error::usage(format!(
                "--readonly refuses the job '{}' with --rw={}; leave one of them out",
                spec.name,
                spec.rw.name()
            )));
        }
        if (spec.schedule.stonewall || spec.schedule.new_group) && jobs_in_group {
            group += 1;
        }
        jobs_in_group = true;
        if spec.schedule.stonewall && !plan.jobs.is_empty() {
            stage += 1;
        }
        if plan.jobs.is_empty() {
            plan.global_options = named(&described.global);
        }
        for copy in 0..spec.numjobs {
            plan.jobs.push(PlannedJob {
                spec: spec.clone(),
                copy,
                group,
                stage,
                options: options.clone(),
            });
        }
    }
    check_waits(&plan)?;
    Ok(plan)
}

/// Says once what given values mean, where that may surprise.
fn remark(described: &[Described], over: &[Assignment]) {
    let mut said: Vec<String> = Vec::new();
    let of_sections =
        described.iter().flat_map(|section| section.global.iter().chain(&section.own));
    for given in of_sections.chain(over) {
        let Some(remark) = given.option.remark(&given.text) else { continue };
        let note = match &given.origin {
            Origin::CommandLine => format!("bench-cli: note: --{remark}"),
            Origin::File(place) => format!("bench-cli: note: {place}: {remark}"),
        };
        if !said.contains(&note) {
            notice::line(&note);
            said.push(note);
        }
    }
}

/// One section's job, checked.
fn job(
    described: &Described,
    over: &[Assignment],
) -> Result<(JobSpec, Vec<(String, String)>), Error> {
    let mut settings = Settings::default();
    if let Some(name) = &described.name {
        settings.job.name.clone_from(name);
    }
    let all = || described.global.iter().chain(&described.own).chain(over);
    // What a kilo is has to be known before any size is read, wherever it stands.
    let bases = all().filter(|given| given.option.name == "kb_base");
    for assignment in bases.chain(all().filter(|given| given.option.name != "kb_base")) {
        // In a file, the section names the job.
        if !(described.name.is_some() && assignment.option.name == "name") {
            assignment.apply(&mut settings)?;
        }
    }
    let spec = settings.job;
    let place = match &described.name {
        Some(name) => format!("{} [{name}]: ", described.place),
        None => String::new(),
    };
    spec.check().map_err(|error| match error {
        Error::Usage(why) => Error::Usage(format!("{place}{why}")),
        other => other,
    })?;
    for note in spec.notes() {
        notice::line(&format!("bench-cli: note: {place}{note}"));
    }
    let mut options = named(&described.own);
    options.retain(|(name, _)| !over.iter().any(|given| given.option.name == name));
    options.extend(named(over));
    Ok((spec, options))
}

fn named(given: &[Assignment]) -> Vec<(String, String)> {
    given.iter().map(|given| (given.option.name.to_owned(), given.text.clone())).collect()
}

/// Who waits for a job waits for one that comes before it, or it would wait for ever.
fn check_waits(plan: &Plan) -> Result<(), Error> {
    for (index, job) in plan.jobs.iter().enumerate() {
        let Some(wanted) = &job.spec.schedule.wait_for else { continue };
        let before = plan.jobs[..index].iter().any(|other| other.spec.name == *wanted);
        if !before || job.spec.name == *wanted {
            return Err(Error::usage(format!(
                "[{}] wait_for={wanted}: no job before it has this name",
                job.spec.name
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
