# Backups, restoring, verifying, erasing, merging duplicates.

keep-made = Backup made and verified: { $folder }, { $files } files, { $bytes }.
keep-verified = Verified; nothing is wrong.
keep-found = { $n } things are wrong.
keep-restored = The backup of { $at } was restored to { $data }; the new epoch is { $epoch }. { $erased } records on the list of erased records were erased again.
keep-restored-no-list = Careful: no list of erased records (erased.list) was found. People who were erased after the backup may be back. If the old data folder still exists, empty this one and restore again with --erased naming the old folder.
keep-error-full = No backup was made: the disk is full.
keep-error-failed = Not done: the database or a file failed
keep-error-busy = Another backup is being made in this folder. Wait until it is done.
keep-error-unsteady = No backup was made: files kept changing while they were copied. Try again later.
keep-error-not-whole = The backup is not whole and was not used:
keep-error-no-backup = This is no backup: there is no manifest.json that can be read.
keep-error-future = A newer version of the program made this backup. Update the program first.
keep-error-not-empty = The folder is not empty; nothing was restored. Name an empty one.
keep-error-clock = The clock of this machine stands before the time of the backup; nothing was restored. Set the clock first.
keep-error-list = The list of erased records cannot be read; nothing was restored. Name erased.list or the old data folder with --erased.

keep-found-missing = The file { $path } is missing.
keep-found-bytes = The file { $path } does not have the checksum of the manifest.
keep-found-path = The path { $path } in the manifest leads out of the backup.
keep-found-unread = { $path } cannot be read: { $why }
keep-found-sqlite = The database says of itself: { $why }
keep-found-altered = Record { $record } ({ $part }) is not what its edits make.
keep-found-unreadable = Record { $record } ({ $part }) cannot be read.
keep-found-beside = The areas, readers or deletion mark of record { $record } ({ $part }) do not fit its content.
keep-found-no-part = Record { $record } has edits but no content.
keep-found-high-water = Slot { $slot } is noted up to { $mark }, but there is an edit { $n }.
keep-found-erased = Something of the erased record { $record } is still in the database.
keep-found-no-photo = Photo { $hash } is missing.
keep-found-photo = Photo { $hash } is damaged.
keep-found-batch = The files of batch { $number } are not what was sealed.

console-backup = Backup
console-backup-look = Look at it
console-backup-none = No backup was made yet.
console-backup-last = Last: { $when }, { $bytes }
console-backup-failed = The backup of { $when } failed:
console-backup-off = This server makes no backups by itself. “Safe to hand in” on the handhelds waits for one.
console-backup-late = No backup for longer than planned.

erase-reason-request = The person asked for it
erase-reason-mistake = It should not have been recorded
erase-reason-expired = The time it may be kept is over
erase-done = Erased { $records } records and { $photos } photos, and took back the files of { $batches } batches.
erase-backups = Earlier backups still hold them until newer ones take their place.
erase-not-swept = Remnants may still be on the disk; the next start of the server goes on with them.
erase-error = Nothing was erased
console-erase = Erase
console-erase-what = Names, numbers, photos and history go for good; only the id stays, and nobody can bring them back. Duplicates merged into this record are erased with it, and files of batches that hold it are taken back.
console-erase-type = Type the name of this record as it stands: { $title }
console-erase-wrong = That is not the name of this record; nothing was erased.
console-erase-do = Erase for good
console-erased = Erased
batch-error-erased = This batch held a record that was erased; its files were taken back and the manifest is kept.
batch-erased-short = Files taken back
audit-erase = Erased a record
audit-batch-erased = Took back a batch's files because of an erasure
