//! The attacks of docs/security.md by number: each one a test that tries it. Numbers that are missing have no surface yet.

mod a01_redirect_uri;
mod a02_repeated_parameters;
mod a03_code;
mod a04_refresh_replay;
mod a05_refresh_after;
mod a06_ended_session;
mod a07_jose;
mod a08_client_assertion;
mod a09_ssrf;
mod a10_host;
mod a11_second_factor;
mod a11_trusted_device;
mod a12_fresh_proof;
mod a13_lock_out;
mod a14_enumeration;
mod a15_browser;
mod a16_injection;
mod a17_floods;
mod a17_load;
mod a17_rates;
mod a18_mass_assignment;
mod a19_secrets;
mod a20_mix_up;
mod a21_between;
mod a21_storage;
mod a22_kill;
