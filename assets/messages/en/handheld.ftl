# The handheld: what sync and photos have to say.

photo-file-lost = A photo is no longer on this handheld and cannot be sent. The rest of the record is not affected.
photo-not-verified = The photo did not arrive as it was sent; it is sent once more.
photo-not-there = The centre has no such photo, or it is not for you.
photo-not-yet = This photo has not reached the centre yet.
photo-on-its-way = This photo has not reached the centre yet. The terminal that took it was last connected { $when }; it comes when that connects again.
photo-partly-here = This photo is on its way: { $percent } % are there.
photo-quota = This terminal has sent enough photos for now; the rest follow later. Text goes as always.
sync-wifi-only = Photos go on Wi-Fi only, and this is not Wi-Fi.

sync-address = The centre's address is not right. It begins with https://.
sync-app-too-old = This version is too old for the centre. Please update; everything on this handheld stays.
sync-bad-answer = The centre's answer cannot be read. It is tried again.
sync-bad-request = A change on this handheld cannot be sent. Please ask the centre.
sync-busy = The centre is busy. It is sent again shortly.
sync-code-not-taken = This code does not work: perhaps mistyped, used before or expired. Please ask the administrator for a new one.
sync-credential-ended = The enrolment of this handheld has ended. Please ask the administrator to enrol it again. What was not sent stays here.
sync-out-of-step = The centre and this handheld count differently. It tries again by itself; nothing is lost.
sync-not-allowed = The centre does not let this handheld do that. Please ask the administrator.
sync-not-found = The centre does not have this.
sync-not-yet = Waiting for its turn.
sync-offline = No network now; it is sent when there is one.
sync-refused = The centre did not take it ({ $code }). Please ask the administrator.
sync-server-full = The centre's disk is full. It is sent again when there is room.
sync-server-trouble = The centre has trouble. It is sent again shortly.
sync-slow = The network is too slow, no answer came. It is sent again shortly.
sync-text-only = Only text is sent now; photos wait.
sync-too-large = Too much was sent at once; the centre did not take it. Please ask the administrator.
sync-under-way = Being sent.

scan-none = There is no QR code in this picture. Please fill most of the picture with the code on the screen and take it again.
scan-unclear = The QR code cannot be made out. Please hold still, wipe the lens, avoid glare and take it again; or type the digits.
scan-another = This QR code is not for enrolling. Please take the one on the administrator's page “Terminals”.
export-no-recipient = The centre's key is not known yet: sync once, then export.
export-failed = The export could not be written. Please check the storage.
sync-revoked = The centre has revoked this terminal. What was not sent stays here and goes on with a new code.
sync-doubled = Somebody else has used this terminal's credential, so the centre has stopped it. Nothing you typed is lost: get a new code at the centre, enrol again and go on.
sync-wiped = The centre asked for it: the data on this terminal have been erased.
hand-over-not-safe = It cannot be handed in yet: everything has to be uploaded and in the centre's backup.
hand-over-done = Handed in. Your data on this terminal have been erased.
sync-cleartext = This address begins with http://: others could read along, so nothing was sent. Change it to https://, or ask the centre for the right address.
sync-no-tls = The server at this address does not encrypt, so nothing was sent. Check the address and its port, then tell the centre.
sync-old-tls = The server at this address encrypts in an old, unsafe way, so nothing was sent. Tell the centre; the administrator has to look at the server.
sync-wrong-key = This is not the server this handheld was enrolled with, so nothing was sent; what is not sent yet is kept. Try another network; if it stays so, tell the centre.
sync-certificate-ended = The server's certificate ended on { $date }, and this handheld's date is { $today }. Check the handheld's date first; if it is right, tell the centre to renew the certificate. What is not sent yet is kept.
sync-certificate-not-yet = The server's certificate is good from { $date }, and this handheld's date is { $today }. Check the handheld's date first; if it is right, tell the centre. What is not sent yet is kept.
sync-untrusted = It cannot be made sure that this address is the centre's server, so nothing was sent. When enrolling, type all sixteen digits or paste the whole line from the centre; if already enrolled, tell the centre.
sync-line-cut = This line is not complete. Copy all of it, from grid-enrol: to its end, and paste it again.
sync-code-length = A code has ten or sixteen digits. Please type all that the centre shows.
enrol-wrong-key = The last six digits of the code do not go with this server. The code was not sent and is still good. Check the digits and the address; if they are right, try another network or tell the centre.

update-none = There is no newer version now.
update-not-delivered = Something is not sent yet. The version can be replaced once everything is sent.
update-installing = The system installs it now. Please follow what the screen says.
update-here = The new version is here: { $path }.
update-not-kept = There is no room for the new version. Please free some storage and try again; what was downloaded is kept.
update-not-verified = What was downloaded is not what the centre has. It was removed and not installed. Please download it again; if that does not help, tell the centre.

# What Android itself shows (notices, the reminder after the start, a component that is too old). grid_text.xml below app/android/res
# is made from it.
android-app-name = Grid Terminal
android-channel = Uploads and reminders
android-delivering = Uploading what is not sent yet
android-waiting = Some changes are not sent yet. Please open the app and type your PIN.
android-does-not-answer = The system does not answer, so the app cannot be opened ({ $why }). Please restart the terminal; if that does not help, take it to the centre. All that you have filled in is still there.
android-old-view = Please update a system component

    The “Android System WebView” of this terminal is too old (it is { $found }, 80 or newer is needed), so the app cannot be shown. All that you have filled in is still there.

    How: open the system's “Settings” → “Apps” → “Android System WebView” (on some terminals “Chrome”) and press “Update”. If there is no such button, please take the terminal to the centre: an administrator installs the new version, then open this app again.
