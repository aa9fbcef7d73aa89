"""The list of attempts: what a hostile plugin tries, row by row, and which tests try it.

A row is tried by the tests of this folder that are marked with it, and by those of other folders
that are named in ``elsewhere``. ``test_rows.py`` sees that every row has a test and that every test
named here exists.
"""

# ruff: noqa: E501 -- a table

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One attempt; ``elsewhere`` are node ids, without parameters where all of them are meant."""

    id: str
    title: str
    elsewhere: tuple[str, ...] = ()


_WIRE = "tests/wire/test_hostile_worker.py::"
_FRAMES = "tests/system/test_hostile_frames.py::"
_PLUGINS = "tests/system/test_hostile_plugins.py::"
_STARTS = "tests/system/test_hostile_starts.py::"
_NUISANCES = "tests/system/test_hostile_nuisances.py::"
_BROKER = "tests/system/test_egress_broker.py::"
_TUNNEL = "tests/system/test_egress_tunnel.py::"
_TARGETS = "tests/unit/host/test_egress_targets.py::"
_FOLDER = "tests/unit/host/test_packages_folder.py::"
_ARCHIVE = "tests/unit/host/test_packages_archive.py::"
_WHEEL = "tests/unit/host/test_packages_wheel.py::"
_INSTALL = "tests/unit/host/test_packages_install.py::"
_CONSENT = "tests/unit/host/test_packages_consent.py::"
_WHEELS = "tests/unit/host/test_packages_wheels.py::"
_INDEX = "tests/unit/host/test_packages_index.py::"
_SOURCE = "tests/unit/host/test_packages_source.py::"
_FAULTS = "tests/system/test_install_faults.py::"
_HOSTILE = "tests/system/test_install_hostile.py::"
_LANDLOCK = "tests/unit/worker/test_landlock.py::"

_ROWS = (
    Row("F1", "read what is private on the machine"),
    Row("F2", "write to the system, the interpreter, its own code"),
    Row("F3", "write to its data folder and read back (permitted)"),
    Row("F4", "meet others in /tmp"),
    Row("F5", "read through a link in its data folder"),
    Row("F8", "hard links to, and renames of, what is not its own"),
    Row("F10", "leave by /proc/*/root and /proc/*/cwd"),
    Row("F12", "write to /proc/sys, sysrq, /sys"),
    Row("F13", "make or open devices"),
    Row("F15", "execute what it wrote, or a file in memory"),
    Row("F18", "use a descriptor that was left open"),
    Row("F20", "read another plugin's data, socket, log"),
    Row("F21", "read the host's own state"),
    Row("F24", "write where nothing is granted, unnoticed"),
    Row("F27", "learn the host's paths and names"),
    Row("N1", "TCP without a grant"),
    Row("N2", "UDP, IPv4 and IPv6"),
    Row("N3", "resolve names"),
    Row("N4", "packet, netlink, raw, vsock, crypto sockets"),
    Row("N5", "abstract UNIX sockets"),
    Row("N6", "UNIX sockets that have a path"),
    Row("N8", "io_uring"),
    Row("N9", "listen for connections"),
    Row("N10", "an allowed host through the host (permitted)"),
    Row("N11", "another host, another port", (_BROKER + "test_another_port_of_an_allowed_host_is_denied", _TUNNEL + "test_another_port_is_denied")),
    Row("N12", "an empty allow-list", (_TARGETS + "test_an_empty_grant_allows_nothing",)),
    Row("N13", "ignore the proxy and connect directly"),
    Row("N14", "names that look like an allowed one", (_TARGETS + "test_a_url_that_could_be_read_in_two_ways_is_refused",)),
    Row("N16", "odd spellings of an address", (_TARGETS + "test_a_url_that_could_be_read_in_two_ways_is_refused",)),
    Row("N18", "the metadata service", ("tests/unit/host/test_egress_addresses.py::test_an_internal_address_needs_the_operator",)),
    Row("N21", "an allowed name for an internal address", (_BROKER + "test_a_granted_name_that_stands_for_an_internal_address_is_denied", _TUNNEL + "test_a_granted_name_that_stands_for_an_internal_address_is_denied")),
    Row("N24", "CONNECT inside CONNECT", (_TUNNEL + "test_tls_for_another_host_than_was_asked_for_is_let_out_nowhere", _TUNNEL + "test_what_is_no_tls_is_let_out_nowhere", _TUNNEL + "test_only_a_plain_connect_is_understood")),
    Row("N25", "the host's own ports through the host", ("tests/system/test_egress_network.py::test_no_rule_opens_the_hosts_own_port_at_any_of_its_addresses", _TUNNEL + "test_no_rule_opens_the_hosts_own_port_and_one_beside_it_is_open")),
    Row("N28", "thousands of connections, slow and endless ones", ("tests/system/test_egress_nuisances.py::test_thousands_of_connections_wait_for_their_turn_and_64_at_most_are_served", "tests/system/test_egress_nuisances.py::test_a_head_that_comes_byte_by_byte_ends_at_its_time_and_others_go_on", _TUNNEL + "test_a_tunnel_ends_at_its_cap_of_bytes")),
    Row("X1", "signals to the host, to everybody"),
    Row("X2", "list processes"),
    Row("X3", "trace, or read another's memory"),
    Row("X5", "children that outlive it"),
    Row("X6", "outlive a host that is killed"),
    Row("X8", "gain by a set-uid program"),
    Row("X9", "capabilities and other users"),
    Row("X10", "namespaces of its own"),
    Row("X12", "fork and exec without a grant"),
    Row("X14", "leave something for the next start"),
    Row("K1", "every system call that is not named"),
    Row("K3", "clone3, and threads all the same (permitted)"),
    Row("K5", "the new mount calls"),
    Row("K6", "key rings"),
    Row("K7", "userfaultfd, bpf, perf, io_uring"),
    Row("K9", "what the host sees before it says load"),
    Row("K10", "a kernel that lacks a wall"),
    Row("K12", "every version of Landlock", (_LANDLOCK + "test_what_each_version_can_deny", _LANDLOCK + "test_a_version_newer_than_known_is_used_as_the_newest_known", _LANDLOCK + "test_every_version_up_to_the_kernels_own_is_taken_by_it")),
    Row("R1", "memory until it dies"),
    Row("R3", "a fork bomb"),
    Row("R4", "a thread bomb"),
    Row("R5", "spin on all processors"),
    Row("R7", "descriptors, open and in flight"),
    Row("R8", "fill the disk"),
    Row("R10", "flood its outputs", (_NUISANCES + "test_what_a_plugin_prints_is_kept_by_the_line_and_bounded",)),
    Row("R12", "sleep for ever at each stage", (_STARTS + "test_a_start_is_refused_of_a_child_that", _PLUGINS + "test_a_plugin_that_at_its_import[hangs]", _PLUGINS + "test_a_plugin_that_in_a_call[never answers]", "tests/system/test_unresponsive.py")),
    Row("R13", "die again and again", ("tests/system/test_host.py::test_three_deaths_stop_a_plugin_until_it_is_tried_again",)),
    Row("P1", "no ZMTP, or half a handshake", (_WIRE + "test_handshakes_that_end_a_worker", "tests/wire/test_zmtp_libzmq.py::test_half_a_greeting_then_silence_is_merely_not_ready", _STARTS + "test_a_start_is_refused_of_a_child_that")),
    Row("P2", "no msgpack, other types and fields", (_WIRE + "test_frames_that_end_a_worker", _FRAMES + "test_a_worker_is_ended_that")),
    Row("P3", "claims of 4 GiB, deep nesting, trailing bytes", (_WIRE + "test_frames_that_end_a_worker[nesting 100,000 deep]", _WIRE + "test_frames_that_end_a_worker[bytes of 4 GiB]", _WIRE + "test_frames_that_end_a_worker[trailing bytes]")),
    Row("P5", "a frame of 1 TiB", (_WIRE + "test_bytes_that_end_a_worker", _FRAMES + "test_a_worker_is_ended_that")),
    Row("P6", "a flood of valid frames", (_FRAMES + "test_the_host_stays_small_and_serves_others_under_a_flood_of",)),
    Row("P7", "frames that never end", (_WIRE + "test_a_message_that_never_ends_keeps_only_what_arrived", _WIRE + "test_bytes_that_end_a_worker[an endless MORE frame]")),
    Row("P10", "answers to calls of others", (_FRAMES + "test_a_worker_is_ended_that",)),
    Row("P11", "two answers, pieces after the end", (_FRAMES + "test_a_worker_is_ended_that", "tests/system/test_hostile_streams.py::test_what_a_stream_says_after_its_finish_is_dropped")),
    Row("P12", "an answer that comes too late", ("tests/wire/test_channel.py::test_a_deadline_cancels_and_a_late_answer_is_dropped", _NUISANCES + "test_an_answer_after_the_cancellation_is_dropped_and_forgiven")),
    Row("P13", "be somebody else in its hello", (_STARTS + "test_a_start_is_refused_of_a_child_that",)),
    Row("P16", "errors that are markup, huge, or keys", (_PLUGINS + "test_a_plugin_that_in_a_call[raises a whole page]", _PLUGINS + "test_a_plugin_that_in_a_call[raises what cannot be shown]", "tests/unit/worker/test_invoke.py::test_a_failure_can_be_sent_whatever_was_raised", "tests/system/test_cli.py::test_an_answer_cannot_act_on_the_terminal")),
    Row("P19", "never read what it is sent", ("tests/wire/test_channel.py::test_a_worker_that_does_not_read_is_not_read_from", "tests/system/test_backpressure.py::test_streams_that_nobody_reads_are_held_back_and_lose_nothing")),
    Row("P21", "a pickle in an extension type", (_WIRE + "test_frames_that_end_a_worker",)),
    Row("S1", "keys in variables and command lines"),
    Row("S2", "another plugin's key"),
    Row("S3", "a key in argv, logs, files, memory", ("tests/system/test_egress_secrets.py::test_the_real_key_goes_out_and_its_echo_does_not_come_back", "tests/system/test_egress_secrets.py::test_a_key_in_a_malformed_answer_is_not_in_the_error")),
    Row("S4", "a key that it did not declare"),
    Row("I1", "names that lead out of its folder", (_FOLDER + "test_names_that_act_on_a_terminal_or_are_no_text_are_refused_escaped", _FOLDER + "test_names_that_some_file_systems_take_for_one_are_refused", _ARCHIVE + "test_a_name_that_leads_out_or_acts_is_refused", _ARCHIVE + "test_two_names_for_one_place_are_refused", _HOSTILE + "test_a_hostile_wheel_is_refused_in_words_and_nothing_is_written")),
    Row("I2", "links, devices, pipes among its files", (_FOLDER + "test_what_is_no_plain_file_is_refused_by_name", _FOLDER + "test_a_device_is_refused", _ARCHIVE + "test_what_is_no_plain_file_is_refused", _HOSTILE + "test_a_hostile_wheel_is_refused_in_words_and_nothing_is_written")),
    Row("I5", "too large, too many, too deep", (_FOLDER + "test_a_folder_too_large_in_all_is_refused", _FOLDER + "test_too_many_files_are_refused", _FOLDER + "test_empty_folders_count_and_depth_is_bounded", _ARCHIVE + "test_what_unpacks_to_too_much_is_refused_before_it_is", _ARCHIVE + "test_a_bomb_that_says_it_is_small_ends_at_the_size_that_it_says", _ARCHIVE + "test_entries_that_share_their_bytes_are_refused", _ARCHIVE + "test_headers_that_differ_are_refused", _HOSTILE + "test_a_hostile_wheel_is_refused_in_words_and_nothing_is_written")),
    Row("I6", "files other than those that were shown", (_INSTALL + "test_a_folder_that_changes_after_it_was_shown_is_refused", _INSTALL + "test_a_changed_file_is_noticed", _WHEEL + "test_a_record_that_does_not_hold_is_refused", _WHEEL + "test_a_file_that_record_does_not_have_is_refused", _HOSTILE + "test_a_hostile_wheel_is_refused_in_words_and_nothing_is_written", _FAULTS + "test_a_wheel_that_changes_after_it_was_agreed_to_is_refused")),
    Row("I7", ".pth, sitecustomize and their kin", (_FOLDER + "test_what_python_runs_at_its_start_is_refused", _WHEEL + "test_what_would_act_outside_or_at_a_start_is_refused", _WHEEL + "test_entry_points_that_name_another_class_are_refused", _HOSTILE + "test_a_hostile_wheel_is_refused_in_words_and_nothing_is_written")),
    Row("I8", "a build at install", (_WHEELS + "test_a_source_archive_is_never_built", _SOURCE + "test_other_sources_are_refused_with_a_sentence", _WHEEL + "test_a_source_archive_is_refused_with_the_reason", _HOSTILE + "test_other_sources_and_names_are_refused_and_nothing_of_them_runs", _FAULTS + "test_packages_that_cannot_be_had_leave_the_old_version[source alone]")),
    Row("I9", "run by being looked at", (_INSTALL + "test_nothing_of_the_plugin_runs", "tests/unit/host/test_cli_listing.py::test_no_verb_that_looks_at_a_plugin_runs_any_of_it", "tests/unit/host/test_packages_packing.py::test_pip_takes_it_and_runs_nothing_of_it", _HOSTILE + "test_an_install_writes_below_its_home_and_starts_nothing_of_the_plugin")),
    Row("I10", "two manifests, or one that says otherwise", (_FOLDER + "test_a_manifest_that_is_no_plain_file_is_refused", _INSTALL + "test_a_missing_entry_module_is_said_with_what_to_add", _WHEEL + "test_two_manifests_are_refused", _WHEEL + "test_a_manifest_that_names_another_plugin_is_refused", _WHEEL + "test_metadata_that_names_another_plugin_is_refused", _HOSTILE + "test_a_hostile_wheel_is_refused_in_words_and_nothing_is_written", _FAULTS + "test_an_older_version_and_another_plugin_are_no_upgrades")),
    Row("I12", "ask for more with a new version", (_INSTALL + "test_a_name_that_asks_for_more_shows_only_what_widens", _INSTALL + "test_a_grant_beyond_what_was_asked_is_refused", _FAULTS + "test_nobody_agrees_where_nobody_can_be_asked")),
    Row("I13", "a name like another's", (_CONSENT + "test_a_look_alike_is_near", _INSTALL + "test_a_look_alike_of_an_installed_name_is_warned_of", _HOSTILE + "test_a_name_close_to_an_installed_one_is_warned_of")),
    Row("I14", "a name that is a path", ("tests/unit/sdk/test_manifest.py::test_a_bad_value_is_refused_with_line_key_and_remedy", _HOSTILE + "test_other_sources_and_names_are_refused_and_nothing_of_them_runs")),
    Row("I17", "packages from elsewhere", (_WHEELS + "test_packages_that_bring_ours_are_refused", _WHEELS + "test_of_two_indexes_the_first_alone_is_heard", _WHEELS + "test_a_wheel_that_changes_after_it_was_resolved_is_refused", _WHEELS + "test_offline_fetches_nothing_and_says_what_would", _INDEX + "test_settings_of_the_folder_one_stands_in_do_not_count", _FAULTS + "test_what_is_installed_offline_asks_no_index", _FAULTS + "test_packages_that_cannot_be_had_leave_the_old_version[changed]")),
)  # fmt: skip

ROWS = {row.id: row for row in _ROWS}
