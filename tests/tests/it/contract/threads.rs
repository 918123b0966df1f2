//! The contract on the thread-pool backend, which runs everywhere.
//!
//! It never holds a case of its own: the others list the same ones, and the last test compares.

use super::subject::Subject;
use super::{admission, buffers, callbacks, chains, direct, endings, failures, metrics, transfers};

fn run(case: fn(&Subject)) {
    Subject::threads().run(case);
}

#[test]
fn read_gives_what_pwrite_wrote() {
    run(transfers::read_gives_what_pwrite_wrote);
}

#[test]
fn write_is_whole_and_nothing_around_it_changes() {
    run(transfers::write_is_whole_and_nothing_around_it_changes);
}

#[test]
fn write_after_the_end_extends_the_file() {
    run(transfers::write_after_the_end_extends_the_file);
}

#[test]
fn transfer_larger_than_a_page_is_whole() {
    run(transfers::transfer_larger_than_a_page_is_whole);
}

#[test]
fn read_across_the_end_is_short() {
    run(transfers::read_across_the_end_is_short);
}

#[test]
fn read_at_and_after_the_end_gives_0() {
    run(transfers::read_at_and_after_the_end_gives_0);
}

#[test]
fn empty_transfers_succeed_with_0() {
    run(transfers::empty_transfers_succeed_with_0);
}

#[test]
fn offsets_beyond_4_gib_are_whole() {
    run(transfers::offsets_beyond_4_gib_are_whole);
}

#[test]
fn sync_datasync_and_nop_succeed() {
    run(transfers::sync_datasync_and_nop_succeed);
}

#[test]
fn registered_file_gives_the_same_as_a_plain_one() {
    run(transfers::registered_file_gives_the_same_as_a_plain_one);
}

#[test]
fn plain_buffers_give_the_same_as_fixed_ones() {
    run(transfers::plain_buffers_give_the_same_as_fixed_ones);
}

#[test]
fn aligned_direct_transfers_move_the_bytes() {
    run(direct::aligned_direct_transfers_move_the_bytes);
}

#[test]
fn direct_read_across_the_end_is_short() {
    run(direct::direct_read_across_the_end_is_short);
}

#[test]
fn misaligned_direct_request_is_refused_with_the_alignment() {
    run(direct::misaligned_direct_request_is_refused_with_the_alignment);
}

#[test]
fn full_gives_the_request_back() {
    run(admission::full_gives_the_request_back);
}

#[test]
fn what_is_queued_beyond_the_window_completes() {
    run(admission::what_is_queued_beyond_the_window_completes);
}

#[test]
fn shutdown_drains_and_refuses_what_callbacks_submit() {
    run(admission::shutdown_drains_and_refuses_what_callbacks_submit);
}

#[test]
fn window_of_one_and_the_largest_window_work() {
    run(admission::window_of_one_and_the_largest_window_work);
}

#[test]
fn absurd_options_are_refused_by_name_and_value() {
    run(admission::absurd_options_are_refused_by_name_and_value);
}

#[test]
fn each_request_is_called_back_exactly_once() {
    run(callbacks::each_request_is_called_back_exactly_once);
}

#[test]
fn submit_never_calls_back() {
    run(callbacks::submit_never_calls_back);
}

#[test]
fn callbacks_resubmit_and_are_never_nested() {
    run(callbacks::callbacks_resubmit_and_are_never_nested);
}

#[test]
fn resubmitted_operation_needs_nothing_new() {
    run(callbacks::resubmitted_operation_needs_nothing_new);
}

#[test]
fn panic_reaches_the_caller_and_loses_no_other_request() {
    run(callbacks::panic_reaches_the_caller_and_loses_no_other_request);
}

#[test]
fn waiting_for_n_calls_back_at_least_n() {
    run(callbacks::waiting_for_n_calls_back_at_least_n);
}

#[test]
fn waiting_for_more_than_is_in_flight_ends() {
    run(callbacks::waiting_for_more_than_is_in_flight_ends);
}

#[test]
fn chain_of_write_sync_and_read_gives_what_was_written() {
    run(chains::chain_of_write_sync_and_read_gives_what_was_written);
}

#[test]
fn steps_of_a_chain_run_in_order_beside_many_others() {
    run(chains::steps_of_a_chain_run_in_order_beside_many_others);
}

#[test]
fn chain_ends_at_the_step_that_fails() {
    run(chains::chain_ends_at_the_step_that_fails);
}

#[test]
fn chain_whose_last_step_is_refused_at_once_has_done_the_others() {
    run(chains::chain_whose_last_step_is_refused_at_once_has_done_the_others);
}

#[test]
fn chain_longer_than_the_window_is_carried_out() {
    run(chains::chain_longer_than_the_window_is_carried_out);
}

#[test]
fn chain_without_room_for_all_steps_is_handed_back() {
    run(chains::chain_without_room_for_all_steps_is_handed_back);
}

#[test]
fn copy_gives_the_same_bytes_and_stops_at_the_end() {
    run(chains::copy_gives_the_same_bytes_and_stops_at_the_end);
}

#[test]
fn file_is_read_whole_by_its_path() {
    run(chains::file_is_read_whole_by_its_path);
}

#[test]
fn durable_write_is_whole_by_each_method() {
    run(chains::durable_write_is_whole_by_each_method);
}

#[test]
fn cancelled_and_overdue_chains_call_back_once_and_tell_their_step() {
    run(chains::cancelled_and_overdue_chains_call_back_once_and_tell_their_step);
}

#[test]
fn exhausted_pool_says_none_until_a_buffer_returns() {
    run(buffers::exhausted_pool_says_none_until_a_buffer_returns);
}

#[test]
fn pooled_buffers_are_aligned_and_do_not_overlap() {
    run(buffers::pooled_buffers_are_aligned_and_do_not_overlap);
}

#[test]
fn dropped_completions_return_their_buffers() {
    run(buffers::dropped_completions_return_their_buffers);
}

#[test]
fn buffer_of_another_engine_works_and_goes_home() {
    run(buffers::buffer_of_another_engine_works_and_goes_home);
}

#[test]
fn buffer_outlives_its_engine() {
    run(buffers::buffer_outlives_its_engine);
}

#[test]
fn buffer_may_be_dropped_on_another_thread() {
    run(buffers::buffer_may_be_dropped_on_another_thread);
}

#[test]
fn length_gets_the_smallest_class_and_exhaustion_is_told_from_never() {
    run(buffers::length_gets_the_smallest_class_and_exhaustion_is_told_from_never);
}

#[test]
fn default_pool_has_three_sizes() {
    run(buffers::default_pool_has_three_sizes);
}

#[test]
fn zeroed_pool_shows_nothing_of_an_earlier_file() {
    run(buffers::zeroed_pool_shows_nothing_of_an_earlier_file);
}

#[test]
fn callers_vector_comes_back_as_the_same_vector() {
    run(buffers::callers_vector_comes_back_as_the_same_vector);
}

#[test]
fn bytes_are_bounded_and_refused_requests_come_back() {
    run(admission::bytes_are_bounded_and_refused_requests_come_back);
}

#[test]
fn atomic_write_is_whole_or_refused_by_the_limit() {
    run(direct::atomic_write_is_whole_or_refused_by_the_limit);
}

#[test]
fn refused_operation_dropped_returns_its_buffer() {
    run(buffers::refused_operation_dropped_returns_its_buffer);
}

#[test]
fn write_to_a_read_only_file_says_what_and_where() {
    run(failures::write_to_a_read_only_file_says_what_and_where);
}

#[test]
fn failed_request_leaves_the_others_alone() {
    run(failures::failed_request_leaves_the_others_alone);
}

#[test]
fn write_beyond_the_largest_file_says_why() {
    run(failures::write_beyond_the_largest_file_says_why);
}

#[test]
fn transfer_beyond_the_last_offset_is_refused() {
    run(failures::transfer_beyond_the_last_offset_is_refused);
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    run(failures::files_that_cannot_be_opened_are_named);
}

#[test]
fn read_of_a_folder_fails_and_names_it() {
    run(failures::read_of_a_folder_fails_and_names_it);
}

#[test]
fn dropped_engine_calls_back_all_that_was_accepted() {
    run(endings::dropped_engine_calls_back_all_that_was_accepted);
}

#[test]
fn engine_dropped_before_its_first_tick_calls_back() {
    run(endings::engine_dropped_before_its_first_tick_calls_back);
}

#[test]
fn what_callbacks_hold_is_dropped_with_the_engine() {
    run(endings::what_callbacks_hold_is_dropped_with_the_engine);
}

#[test]
fn file_dropped_in_flight_is_closed_after_its_last_operation() {
    run(endings::file_dropped_in_flight_is_closed_after_its_last_operation);
}

#[test]
fn dropped_engines_leave_no_descriptor_behind() {
    run(endings::dropped_engines_leave_no_descriptor_behind);
}

#[test]
fn wait_with_a_timeout_ends() {
    run(endings::wait_with_a_timeout_ends);
}

#[test]
fn wait_with_nothing_in_flight_does_not_hang() {
    run(endings::wait_with_nothing_in_flight_does_not_hang);
}

#[test]
fn metrics_count_requests_bytes_and_latencies() {
    run(metrics::metrics_count_requests_bytes_and_latencies);
}

#[test]
fn reset_metrics_start_at_zero() {
    run(metrics::reset_metrics_start_at_zero);
}

#[test]
fn report_names_the_backend_and_speaks_in_lines() {
    run(metrics::report_names_the_backend_and_speaks_in_lines);
}

#[test]
fn all_backends_run_the_same_cases() {
    let cases = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("    run(")).map(String::from).collect()
    };
    let here = cases(include_str!("threads.rs"));
    assert!(here.len() > 30, "only {} cases found", here.len());
    assert_eq!(here, cases(include_str!("io_uring.rs")));
    assert_eq!(here, cases(include_str!("sim.rs")));
}
