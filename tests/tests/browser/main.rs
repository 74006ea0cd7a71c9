//! Handhelds and console in a real Chromium. One program, because each links all of it.

mod clerk;
mod days;
mod drafts;
mod enrolment;
mod full_disk;
mod lists;
mod locks;
mod map;
mod morning;
mod moving;
mod photos;
mod public;
mod review;
mod screens;
mod story;
mod typing;
mod work;
