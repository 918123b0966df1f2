//! Inheritance, copies, groups and stages.

use super::*;

fn plan(text: &str, over: &[(&str, &str)]) -> Result<Plan, String> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    let shown = file.path().display().to_string();
    let given: Vec<Assignment> = over.iter().map(|(name, text)| given(name, text)).collect();
    let sections = crate::job_file::read(file.path()).map_err(|error| error.to_string())?;
    Plan::of_files(vec![sections], &given)
        .map_err(|error| error.to_string().replace(&shown, "FILE"))
}

fn given(name: &str, text: &str) -> Assignment {
    let option = options::find(name).expect("known");
    Assignment { option, text: text.to_owned(), origin: Origin::CommandLine }
}

#[test]
fn sections_inherit_what_stands_in_global_before_them() {
    let text = "[global]\nbs=8k\n[a]\nrw=write\n[global]\niodepth=4\n[b]\nbs=16k\n";
    let plan = plan(text, &[]).expect("valid");
    let [a, b] = &plan.jobs[..] else { panic!("two jobs: {plan:?}") };
    assert_eq!((a.spec.block_bounds(), a.spec.depth.fixed), ((8192, 8192), 1));
    assert_eq!((b.spec.block_bounds(), b.spec.depth.fixed), ((16_384, 16_384), 4));
    assert!(a.spec.rw.writes() && b.spec.rw.reads(), "a's own options are not b's");
    assert_eq!((a.spec.name.as_str(), b.spec.name.as_str()), ("a", "b"));
    assert_eq!(b.options, [("bs".to_owned(), "16k".to_owned())]);
    assert_eq!(plan.global_options, [("bs".to_owned(), "8k".to_owned())]);
}

#[test]
fn the_command_line_goes_before_the_file() {
    let text = "[a]\nsize=1g\nruntime=60\n";
    let plan = plan(text, &[("size", "1m"), ("section", "a")]).expect("valid");
    assert_eq!(plan.jobs[0].spec.size, Some(crate::job::Amount::Bytes(1 << 20)));
    assert_eq!(plan.jobs[0].options.len(), 2, "{:?}", plan.jobs[0].options);
}

#[test]
fn groups_and_stages_are_those_of_fio() {
    let text = "[a]\nnumjobs=2\n[b]\nnew_group\n[c]\n[d]\nstonewall\n[e]\n";
    let plan = plan(text, &[]).expect("valid");
    let shape: Vec<_> = plan
        .jobs
        .iter()
        .map(|job| (job.spec.name.as_str(), job.copy, job.group, job.stage))
        .collect();
    let expected = [
        ("a", 0, 0, 0),
        ("a", 1, 0, 0),
        ("b", 0, 1, 0),
        ("c", 0, 1, 0),
        ("d", 0, 2, 1),
        ("e", 0, 2, 1),
    ];
    assert_eq!(shape, expected);
}

#[test]
fn kb_base_counts_for_sizes_before_it_too() {
    let plan = plan("[a]\nbs=4k\nkb_base=1000\n", &[]).expect("valid");
    assert_eq!(plan.jobs[0].spec.block_bounds(), (4000, 4000));
}

#[test]
fn chosen_sections_are_the_only_ones() {
    let text = "[a]\n[b]\n";
    let plan_b = plan(text, &[("section", "b")]).expect("valid");
    assert_eq!(plan_b.jobs.len(), 1);
    assert!(plan(text, &[("section", "c")]).is_err_and(|why| why.contains("--section=c")));
}

#[test]
fn what_is_not_supported_is_named_with_a_way_out() {
    for (text, words) in [
        ("[a]\niodept=4\n", "FILE:2: unknown option iodept; did you mean iodepth?"),
        ("[a]\nnuma_cpu_nodes=0\n", "FILE:2: numa_cpu_nodes is not supported: memory"),
        ("[a]\nbs=4q\n", "FILE:2: bs: '4q' is not a size"),
        ("[a]\nbs\n", "FILE:2: bs needs a value: bs=8k"),
        ("[a]\noutput=x\n", "FILE:2: output is for the command line"),
        ("[a]\ntime_based\n", "FILE:1 [a]: --time_based needs --runtime"),
        ("[a]\nwait_for=b\n[b]\n", "[a] wait_for=b: no job before it"),
        ("[a]\npool=x\nioengine=rbd\n", "FILE:3: ioengine: 'rbd' is not supported"),
        ("[a]\nsize=${NO_SUCH_VARIABLE_HERE}\n", "FILE:2: size: the environment variable"),
    ] {
        let error = plan(text, &[]).expect_err("refused");
        assert!(error.starts_with(words), "{text:?}: {error}");
    }
    let text = "[a]\nnuma_cpu_nodes=0\niodept=4\ngtod_reduce=1\n";
    assert!(plan(text, &[("ignore_unsupported", "1")]).is_ok());
}

#[test]
fn each_name_on_the_command_line_is_a_job() {
    let list = [("bs", "8k"), ("name", "a"), ("rw", "write"), ("name", "b"), ("bs", "4k")];
    let list: Vec<Assignment> = list.iter().map(|(name, text)| given(name, text)).collect();
    let plan = Plan::of_command_line(&list).expect("valid");
    let shape: Vec<_> = plan.jobs.iter().map(|job| job.spec.block_bounds().0).collect();
    assert_eq!(shape, [8192, 4096]);
    assert!(plan.jobs[0].spec.rw.writes() && plan.jobs[1].spec.rw.reads());
    let twice = [given("bs", "4k"), given("bs", "8k")];
    let error = Plan::of_command_line(&twice).expect_err("twice").to_string();
    assert!(error.starts_with("--bs is given twice"), "{error}");
}
