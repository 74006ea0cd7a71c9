//! Handhelds and console in a real Chromium. One program, because each links all of it.

mod drafts;
mod enrolment;
mod full_disk;
mod lists;
mod locks;
mod morning;
mod review;
mod screens;
mod story;
mod work;
