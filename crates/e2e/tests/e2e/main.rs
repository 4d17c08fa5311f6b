//! End-to-end tests: a whole installation of its own, real containers, a real browser. Scenarios run one after
//! another and share the installation; each makes what it needs, so that one can be run alone by its name:
//! `cargo test -p e2e -- isolation`.
#![expect(clippy::print_stderr, reason = "the helper process reports on standard error")]

use std::process::ExitCode;

mod admin;
mod chat;
mod crash;
mod doctor;
mod edge;
mod faults;
mod hardening;
mod isolation;
mod keys;
mod lifecycle;
mod replace;
mod scripts;
mod secrets;
mod sleep;
mod upgrade;
mod walk;

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    // The helper process of `e2e::reach::Metadata`.
    let mut args = std::env::args().skip(1);
    if let (Some("--listen"), Some(address)) = (args.next().as_deref(), args.next()) {
        if let Err(failure) = runtime.block_on(e2e::reach::listen(&address)) {
            eprintln!("{failure}");
        }
        return ExitCode::FAILURE;
    }
    runtime.block_on(e2e::runner::main(e2e::scenarios![
        walk::alice_signs_up_chats_and_finds_her_words_again,
        walk::bob_skips_onboarding_and_is_refused_at_alices_host,
        walk::a_visitor_comes_back_to_the_very_path,
        walk::everything_works_without_javascript,
        admin::alice_governs_bobs_instance_once_the_operator_lets_her,
        chat::providers_receive_what_they_should_and_their_failures_are_told,
        keys::a_key_opens_its_owners_instance_until_it_is_revoked,
        hardening::docker_inspect_equals_the_golden_spec,
        hardening::the_default_app_is_small,
        hardening::docker_guard_alone_has_dockers_socket,
        scripts::a_second_up_changes_nothing,
        secrets::no_secret_is_in_logs_labels_processes_or_databases,
        isolation::an_instance_reaches_the_issuer_and_nothing_else,
        faults::a_bad_sign_up_is_explained_and_leaves_nothing,
        faults::a_forged_or_huge_form_is_refused,
        faults::a_wrong_token_names_the_variables,
        faults::a_loopback_issuer_is_refused_at_start,
        faults::every_fault_of_a_configuration_is_told_at_once,
        faults::a_subnet_that_overlaps_is_refused_at_start,
        faults::a_taken_port_is_named,
        faults::docker_away_is_told_and_work_resumes,
        faults::a_full_disk_leaves_no_half_route,
        lifecycle::a_sleeper_wakes_at_the_next_request,
        lifecycle::a_stopped_instance_says_so_until_it_is_started,
        lifecycle::an_upgrade_keeps_the_data_and_a_broken_one_goes_back,
        replace::the_router_is_replaced_under_load_and_no_request_fails,
        upgrade::an_upgrade_under_load_fails_no_request,
        lifecycle::a_container_removed_behind_our_back_comes_back,
        lifecycle::a_missing_image_is_told_and_the_order_waits,
        sleep::a_chat_under_way_keeps_its_instance_awake_and_an_idle_one_sleeps,
        sleep::a_websocket_keeps_its_instance_awake_until_it_is_closed,
        sleep::a_frozen_instance_goes_on_where_it_stood,
        edge::caddy_in_front_serves_people_over_tls,
        edge::nginx_in_front_serves_people_over_tls,
        doctor::a_healthy_installation_has_no_failing_check,
        doctor::a_missing_firewall_rule_is_named,
        doctor::a_service_that_is_down_is_named,
        doctor::statistics_show_use_and_limits,
        doctor::a_rebuild_leaves_a_database_with_instances_alone,
        doctor::a_lost_database_is_made_again_and_nobody_notices,
        crash::authz_service_is_killed,
        crash::deploy_control_is_killed,
        crash::docker_guard_is_killed,
        crash::auth_portal_is_killed,
        crash::router_proxy_is_killed,
        scripts::carol_by_script,
        scripts::mistakes_at_the_scripts_are_explained,
        scripts::disk_quotas_are_set_as_the_filesystem_needs,
        scripts::data_outlives_a_removal_without_purge,
        scripts::down_and_up_keeps_instances_accounts_and_sessions,
    ]))
}
