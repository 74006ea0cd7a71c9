# Words of the handheld's screens.
# The frame
app-tabs = Main navigation
app-tab-today = Today
app-tab-collect = Collect
app-tab-search = Search
app-tab-event = Events
app-tab-me = Me
app-back-today = Today
app-back-collect = Collect
app-back-draft = Back
app-back-edit = Back
app-back-search = Search
app-back-record = Back
app-back-events = Events
app-back-report = Report
app-back-review = To be settled
app-back-sync = Sync
app-back-tray = Came back
app-back-me = Me
app-back-missing = Back
app-waiting = To send
app-deleted = Deleted
app-revived = Changed after it was deleted, so it is back
app-untitled = (no name yet)
app-empty = (empty)
app-seen = All right
app-comma = ,{" "}
app-more = Show more
app-before = Those before
app-not-now = Not now
app-undo = Undo
app-save = Save
app-edit = Edit
app-show = Show
app-hide = Hide
app-care = Care
app-care-show = Show care
app-care-noted = Who looked, and when, goes into the audit.
app-care-closed = Too long without a sync: care is locked. Sync once to see it again.
app-did-care = { $who } changed the care given
app-clear = Clear
app-keep = Leave it
app-remove = Remove
app-choose = Choose
app-optional = optional
app-required = required
app-area = Grid
app-you = You
app-somebody = somebody elsewhere
app-missing = There is nothing here
app-missing-why = The record is not on this handheld, or not in your grids.

# Times
app-today = today
app-tomorrow = tomorrow
app-yesterday = yesterday
app-date = { $day } { $name }
app-date-year = { $day } { $name } { $year }
app-when = { $day } { $clock }
app-due = to be done by { $when }
app-weekday-0 = Monday
app-weekday-1 = Tuesday
app-weekday-2 = Wednesday
app-weekday-3 = Thursday
app-weekday-4 = Friday
app-weekday-5 = Saturday
app-weekday-6 = Sunday
app-month-1 = January
app-month-2 = February
app-month-3 = March
app-month-4 = April
app-month-5 = May
app-month-6 = June
app-month-7 = July
app-month-8 = August
app-month-9 = September
app-month-10 = October
app-month-11 = November
app-month-12 = December

# The first start
app-enrol = Enrol this handheld
app-enrol-line = Ask the centre for a one-time code
app-enrol-server = Server
app-enrol-server-like = https://
app-enrol-code = Code
app-enrol-code-help = Ten or sixteen digits; works once. Blanks may be left out. The whole line from the centre can be pasted here too.
app-enrol-unreached = Nobody answers at this address. Check it and the network, then try again.
app-scan = Take a picture of the QR code
app-scan-busy = Reading it
app-scan-done = Read: this handheld goes to { $server }. Set a PIN, then press “Enrol”.
app-enrol-do = Enrol
app-enrol-busy = Enrolling

# 今日
app-today-date = { $weekday }, { $date }
app-today-line = { $weekday }, { $date }: { $n ->
    [0] nothing due
    [one] 1 thing to do
    *[other] { $n } things to do
    }
app-reading = Reading
app-today-nothing = Nothing is due.
app-today-more = { $n } more under Events
app-today-review = { $n ->
    [one] 1 record
    *[other] { $n } records
    } to be settled
app-today-tray = { $n ->
    [one] 1 change
    *[other] { $n } changes
    } came back
app-visits = Visits
app-report = Quick report
app-sync-line = { $last }, { $rest }
app-sync-line-offline = Offline · { $last }, { $rest }
app-sync-last = Synced { $ago }
app-sync-never = never synced
app-first-fill = The records of the grid come for the first time; then all of it works offline. You can report already.
app-sync-running = syncing
app-sync-all-sent = everything is sent
app-sync-not-sent = { $n } not sent

# 采集
app-collect-new = New record
app-card-person = Residents and others, one record each
app-card-place = Buildings, homes
app-card-object = Equipment
app-card-event = Report something
app-card-organization = Shops, offices
app-drafts = Not finished
app-drafts-here = kept on this handheld
app-draft-title = { $kind } · { $name }
app-draft-begin = Kept by itself at every pause
app-draft-kept = Draft kept on this handheld at { $clock }
app-draft-drop = Drop this draft
app-draft-drop-sure = Yes, drop what was typed
app-stopped-at = stopped at “{ $field }”
app-stopped-at-start = just begun
app-form-new-person = New person
app-form-new-place = New place
app-form-new-object = New object
app-form-new-event = New event
app-form-new-organization = New organisation
app-form-edit-person = Edit person
app-form-edit-place = Edit place
app-form-edit-object = Edit object
app-form-edit-event = Edit event
app-form-edit-organization = Edit organisation
app-form-sections = Sections
app-form-fix = { $n } to mend
app-field-open = To be settled: please use its card
app-same = This may be recorded already
app-same-number = The same number:
app-same-birth = The same name and date of birth:
app-same-address = The same name and address:
app-same-use = Use that one
app-same-not = Not the same
app-pick = Search
app-pick-or-write = Search, or just write
app-pick-write = Write “{ $text }”
app-pick-nothing = Nothing found.
app-position-ask = Find the position
app-position-waiting = Finding the position, 20 seconds at most
app-position-fixed = Found, within { $n } m
app-position-at = within { $n } m
app-position-none = No position now; save all the same
app-position-again = Again
app-position-help = Waits until within 20 m, or for 20 seconds.
app-position-coarse = 20 seconds are over and it is still worse than 20 m. Try again in the open.
app-photo = Photo
app-photos = Photos
app-photos-count = { $n }
app-photos-waiting = { $n }, { $waiting } to send
app-photo-take = Take one
app-photo-more = One more
app-photo-busy = Working on it
app-photo-remove = Remove this photo
app-photo-large = Show it large
app-photo-of = Photo, { $when }
app-photo-care = No identity cards, no medical records, no children's faces.
app-photo-gallery = From gallery
app-photo-busy-of = Working on { $n } of { $of }
app-photo-coming = Fetching the photo
app-photo-again = Try again

# 查询
app-search-label = Name, pinyin, initials, phone, address
app-search-like = Name, phone, address
app-search-clear = Clear
app-search-filters = Filters
app-search-recent = Latest on this handheld
app-search-found = { $n } found
app-search-found-more = The first { $n }
app-search-span = { $from }–{ $to }
app-search-category = Category
app-search-category-all = All categories
app-search-area-all = All grids
app-search-nothing = Nothing found. Try other words, or fewer filters.

# 记录
app-record-fields = What is recorded
app-record-open = { $n } to be settled
app-unverified = Unverified: { $field }
app-household = This household
app-household-count = { $n } people
app-related = Related
app-history = History
app-history-count = { $n ->
    [one] 1 change
    *[other] { $n } changes
    }
app-history-own = These are the changes made on this handheld. The whole history needs the network.
app-history-asked = Fetching the whole history
app-history-all = Show all
app-history-here = { $when }, this handheld
app-history-there = { $when }, { $origin }
app-with-mark = { $text }, { $mark }
app-who-when = { $who }, { $when }
app-came-back = came back
app-corrected = corrected
app-withdrawn = taken back
app-did-create = { $who } recorded { $what }
app-did-set = { $who } set { $field } to { $value }
app-did-change = { $who } changed { $field } from { $from } to { $value }
app-did-clear = { $who } cleared { $field }
app-did-add = { $who } added { $value } to { $field }
app-did-remove = { $who } removed { $value } from { $field }
app-did-photo = { $who } added a photo
app-did-unphoto = { $who } removed a photo
app-did-delete = { $who } deleted this record
app-did-revive = { $who } brought this record back
app-did-step = { $who }: { $step }. { $text }
app-did-step-only = { $who }: { $step }.
app-did-remark = { $who } said: { $text }

# 事件
app-events-which = Which events
app-events-mine = Mine to do
app-events-reported = My reports
app-events-area = My area
app-events-none = No events here.
app-row-yours = Your turn: { $step }
app-row-with = { $stage }, { $who }
app-row-host = { $stage }, by { $who }
app-row-limit = by { $when }
app-events-none-such = No such events. Take a filter away.
app-events-light-all = Any limit
app-contested = at odds
app-six-steps = Six steps
app-step-line = { $who }: { $step }
app-step-host = handled by { $name }
app-step-helpers = with { $names }
app-step-limit = within { $limit }
app-step-ledger = ledger { $number }
app-step-text = “{ $text }”
app-remark = Add a line about progress
app-remark-send = Add
app-limit = Time limit
app-limit-more = How much more time
app-satisfied = Is the reporter satisfied
app-outcome = Outcome
app-ledger = Ledger number
app-handler = { $name } · { $role }
app-act-more = More
app-act-done = It is done
app-act-text = In words
app-act-text-optional = In words (optional)
app-act-text-help = What was seen and done. Nothing about illness, ethnicity, belief or offences.
app-act-report = Report
app-act-report-help = The grid leader sees it first.
app-act-settle_on_site = Settled on site
app-act-settle_on_site-help = Done on the spot: goes straight to feedback.
app-act-take = Take it
app-act-take-help = You handle it; the time runs from now.
app-act-raise = Raise
app-act-raise-help = To the next level up; say why.
app-act-dispatch = Dispatch
app-act-dispatch-again = Dispatch again
app-act-dispatch-help = One to handle it, others to help, and a limit.
app-act-handle = Handle
app-act-handle-help = What was done; a note on the way is fine too.
app-act-extend = Ask for time
app-act-extend-help = Say why; who dispatched it answers.
app-act-grant_extension = Grant more time
app-act-grant_extension-help = The limit moves back.
app-act-send_back = Send back
app-act-send_back-help = Not yours to do: say why.
app-act-feedback = Feedback
app-act-feedback-help = Tell the reporter how it went and ask whether it is good.
app-act-close = Close
app-act-close-help = Choose the outcome.
app-act-archive = Archive
app-act-archive-help = From then on it can be read, not changed.
app-act-urge = Urge
app-act-urge-help = Reminds who handles it.
app-act-supervise = Supervise
app-act-supervise-help = The centre keeps an eye on it.
app-back-close = Close together
app-close-some = { $n } settled on site can be closed together
app-close-many = More than { $n } settled on site can be closed together
app-close-together = Close together
app-close-help = All of these were settled on site. Tick those to close, choose the outcome, close them at once. Each dispute has an outcome of its own.
app-close-list = Can be closed
app-close-chosen = { $n } of { $of } chosen
app-close-all = All
app-close-look = Look at “{ $title }”
app-close-more = There are more; they are listed when these are closed.
app-close-do = { $n ->
    [0] Close
    *[other] Close { $n }
    }
app-close-done = { $n } closed; who reported them sees it at the next sync.
app-close-refused = “{ $title }” was not closed: { $why }
app-close-nothing = Nothing waits to be closed.
app-close-none = Tick the events to close first.
app-close-dispute-missing = Say of each dispute chosen whether it was reconciled.

# 随手报
app-report-line = A photo, a press, a position, and it is reported
app-report-what = What
app-report-where = Where
app-report-more = Other categories
app-report-words = In one sentence
app-report-on-site = Already settled on site
app-report-here = Right here
app-report-here-fixed = Right here, within { $n } m
app-report-elsewhere = Elsewhere
app-report-place = The place
app-report-title = { $what }, { $where }
app-report-nowhere = No position now; report all the same
app-report-what-missing = Please press what it is about.
app-report-send = Report it
app-report-sent = Reported.
app-report-kept = Kept on this handheld; it goes when there is a network.
app-report-offline-too = Works without a network; goes when there is one
app-report-mine = My reports

# 待核对
app-review-left = { $n } left
app-review-left-more = over { $n } left
app-review-of = { $field } of { $record }
app-review-say = Two people each filled it in without seeing the other's. Both are kept; please decide.
app-review-say-many = There are { $n } values, each filled in without seeing the others. All are kept; please decide.
app-review-by = { $who }
app-review-use = Use this
app-review-third = Neither: type another
app-review-use-typed = Use what I typed
app-review-whole = The whole record
app-review-settled = Settled: { $field }
app-review-restricted = what stands on the person’s page under Care
app-review-used = { $value } is used, { $when }
app-review-used-told = { $value } is used, { $when }. Who else filled it in sees it at the next sync
app-review-promise = The other sees it at the next sync; you can undo it at any time.
app-review-none = Nothing left to settle.
app-review-later = Later
app-review-later-list = Put off
app-review-before = Settled before
app-told-some = { $n ->
    [one] Somebody checked a value of yours
    *[other] { $n } values of yours were checked
    }
app-told-list = Checked by others
app-told = { $who } saw what you filled in; { $field } of { $record } is now { $value }
app-told-yours = It is the value you filled in, { $when }
app-told-not-yours = You had filled in { $value }, { $when }

# 同步
app-sync = Sync
app-sync-now = Sync now
app-sync-busy = Syncing
app-sync-text-only = Text only
app-sync-with-photos = Photos too
app-sync-next = Next try at { $clock }.
app-sync-offline = No network now. Everything is kept here and goes when there is one.
app-sync-records = Sending and receiving records
app-sync-records-of = Records: { $n } of { $total }
app-sync-photos = Sending photos
app-me-photos = Sending photos
app-me-photos-any = On any network
app-me-photos-wifi = On Wi-Fi only
app-sync-photos-of = Sending photos: { $done } of { $total }
app-lamps = Lamps
app-lamp-delivered = All delivered
app-lamp-not-delivered = Not all delivered
app-lamp-delivered-at = all arrived, { $when }
app-lamp-nothing = nothing to send
app-lamp-missing = { $n } missing
app-lamp-missing-photos = { $n } and { $photos } photos missing
app-lamp-safe = Safe to hand in
app-lamp-not-safe = Not safe to hand in yet
app-lamp-safe-why = nothing exists on this handheld only
app-lamp-not-backed-up = lit when the centre has backed up
app-lamp-not-safe-why = lit when all is sent and backed up
app-sum-records = records
app-sum-photos = photos
app-sum-kilobytes = KB
app-sum-seconds = s or so
app-items = Item by item
app-items-more = { $n } more.
app-item-edit = { $title } · { $fields }
app-item-new = new
app-item-photo = Photo · { $title }

# 退回来的改动
app-tray = Changes that came back
app-tray-none = Nothing came back.
app-tray-kept = What you entered is still here; correct it and send it again.
app-tray-field = { $field }:
app-tray-since = came back { $when }
app-tray-note = The centre looked at it and did not take it: { $note }
app-tray-correct = Correct and send
app-tray-again = Send as it is
app-tray-resend = Send again
app-tray-record = The record
app-tray-withdraw = Take it back
app-tray-withdraw-sure = Yes, take it back
app-reject-not_allowed = This is not yours to change any more; the centre did not take it.
credential-doubled = Somebody else has used this terminal's credential; the centre keeps this and takes it after asking you.
handed-over = This record was handed over to another town; what you wrote was passed on to be checked there.
app-reject-form = A value does not fit the form; the centre did not take it.
app-reject-workflow = The step was not possible then; the centre did not take it.
app-reject-size = Too much at once; please save it in pieces.
app-reject-unknown = The centre does not know this form yet; send it again after the update.
app-reject-protocol = The order did not fit; please send it again.
app-reject-orphan = The new record it belongs to was not taken; correct that one first.
app-reject-erased = This record was erased at the person's request.

# 我的
app-me-line = { $name }, { $role }, { $area }
app-me-text = Text size
app-me-text-usual = Usual
app-me-theme = Daylight or dark
app-me-theme-auto = As the system
app-me-theme-light = Daylight
app-me-theme-dark = Dark
app-me-lang = Language
app-me-about = About
app-me-version = Version

# The preview in a browser
app-preview-title = Handheld preview
app-preview-no-network = No network

# What the handheld below the screens has to say
save-nothing = Nothing was changed.
save-problems = { $count } to mend before it can be saved.
save-too-large = Too much for one save ({ $kilobytes } KB); please save it in pieces.
save-no-such-form = This version has no such form; update the app first.
save-not-in-tray = That change is no longer among those that came back.
save-lease-over = Too long without a sync: the care of this record is locked and cannot be changed now. Sync first; what you typed is kept.
store-not-enrolled = This handheld is not enrolled yet.
store-from-the-future = A newer version wrote the data here; update the app first.
store-read-only = The data here can be read but not written. Please ask the centre to look at this handheld.
store-wrong-key = The data here cannot be opened. It is kept as it is; please ask the centre.
store-damaged = The data here is damaged. It is kept as it is; please ask the centre.
store-full = The handheld is full. Make some room; what you typed is still here.
store-busy = Another program is using the data; try again in a moment.
store-key = The key to the data cannot be read. Please ask the centre to look at this handheld.
store-key-lost = The key to the data is gone. The old data is kept as it is and fetched anew from the centre.
store-set-aside = The data could not be opened. It is kept under another name and fetched anew from the centre.
store-put-back = The data can be opened again; everything is back.
store-file = A file could not be read or written; try again in a moment.
store-other = That did not work on this handheld; please try again.
photo-cut-off = The picture is cut off; please take it again.
photo-damaged = The picture is damaged; please take it again.
photo-empty = No picture arrived; please take it again.
photo-heic = This photo is in HEIC format and cannot be opened. Set the camera to JPEG and take it again.
photo-not-a-picture = This file is not a picture.
photo-other = The photo was not kept; please try again.
photo-too-many-bytes = The picture is too large; use the camera's ordinary mode.
photo-too-many-pixels = The picture has too many pixels; use the camera's ordinary mode.
sync-unreachable = The centre cannot be reached now; it goes when it can.

# What a number says
app-sex-male = male
app-sex-female = female
app-sex-age = { $sex }, { $age }
app-from-number = { $says } (from the number)

# Doubts, comparing, duplicates, exports
app-merged-into = Merged into { $title }
app-offered = Arrived later at what was merged
app-take-over = Take over
app-lamp-others = { $n } others on this handheld have not sent or backed up everything
app-check-data = Compare data
app-checked = { $n ->
    [0] Compared { $when }, all agrees
   *[other] Compared { $when }, { $n } mended
}
app-not-checked = Not yet compared with the centre
app-aside = { $n } records need a newer app
app-export = Export what is not sent
app-exported = Written to { $path }: { $edits } edits, { $photos } photos, { $lost } photos not found. Only the centre opens it; please hand it over.
app-refused = Cannot be opened

# PIN and lock
app-unlock = Locked
app-unlock-line = Enter your PIN
app-unlock-who = Who is using it
app-unlock-nameless = Name not readable
app-unlock-do = Open
app-unlock-busy = Opening
app-unlock-forgotten = PIN forgotten, or somebody else wants to use this handheld: ask the centre for a code. What is not sent is kept.
app-unlock-other = Use a code
app-enrol-back = Back to the PIN
app-pin = PIN
app-pin-old = PIN until now
app-pin-new = New PIN
app-pin-again = Once more
app-pin-help = 6 to 12 digits that only you know. No birthday, no digits in a row, not one digit over and over.
app-pin-set = Use this PIN
app-pin-change = Change PIN
app-pin-first = Choose a PIN first
app-pin-first-line = It opens this handheld from now on
app-lock = Lock
app-back-pin = PIN
pin-digits = A PIN has { $least } to { $most } digits.
pin-guessed = This PIN is guessed too easily. Please choose another one.
pin-unlike = The two are not the same.
lock-wrong = Wrong PIN. { $left } tries left.
lock-wrong-wait = Wrong PIN. { $left } tries left, the next after { $until }.
lock-wait = Too many tries. Try again after { $until }.
lock-centre = Ten wrong PINs: locked. Ask the centre for a code to open it. What is not sent is still there.
lock-damaged = The file of the PIN is damaged. Ask the centre for a code to open the data, which is still there.
lock-keys = The key store of this machine has no key for this data: it was copied from another one, or the key store was cleared. Ask the centre for a code to open it.
lock-file = The files of this handheld cannot be read or written. Please try again later.
app-hand-over = Hand in
app-hand-over-why = Handing in erases all your data on this terminal and ends this enrolment.
app-hand-over-sure = Hand in and erase
app-hand-over-not = Not now

# Work
app-works = Work
app-work-visit = Whom, what was found, when to come again
app-work-patrol = From where to where, what was seen
app-work-inspection = Point by point; what is wrong is reported
app-work-meeting = What was decided, and who does it
app-visits-due = Visits that are due
app-visits-more = { $n } more
app-visits-none = No visit is due.
app-visit-last = Last visit: { $day }
app-due-late = { $n ->
    [one] 1 day late
   *[other] { $n } days late
}
app-due-today = today
app-due-on = { $day }
app-until = until { $day }
app-meeting-due = This week’s meeting is not recorded yet
app-campaign-left = { $left } of { $of } left
app-campaign-remaining = Not looked at yet
app-campaign-done = Everything here was looked at.
app-campaign-over = Its last day is over.
app-campaign-gone = This campaign is no longer on this handheld.
app-report-faults = Report what is wrong
app-call = Call
app-back-work = Back
app-back-campaign = Campaign
app-back-visits = Visits
app-lives-here = Lives here
app-add-resident = Add a resident
app-places-inside = Inside
app-place-above = Part of
app-repeat = As in the last one: { $values }
app-search-unvisited = Not visited for { $n } days

# Map, track
app-map = Map
app-map-ways = Ways to look
app-map-list = List
app-map-see = On the map
app-map-shown = Shown
app-map-label = The area of { $area } and { $n } records. The same is in the list.
app-map-me = Where I am
app-map-nearer = Nearer
app-map-farther = Farther
app-map-whole = All of it
app-map-nowhere = No position. Try again in the open.
app-map-metres = { $n } m
app-map-kilometres = { $n } km
app-map-spot = { $n ->
    [one] One record
   *[other] { $n } records
  }
app-map-urgent = Due soon or overdue: { $title }
app-map-chosen = Here
app-map-hint = { $n ->
    [0] No record with a position here.
    [one] One record in sight. Press to see what it is.
   *[other] { $n } records in sight. Press one to see what it is.
  }
app-map-empty = No record has a position yet. Press “Position” in a form and it stands here.
app-map-patrol = Begin a patrol
app-map-patrol-on = On patrol
app-map-track = The track on the map
app-track-off = Record the track
app-track-begins = Recording the track, press to stop
app-track-on = Recording the track: { $n } points, press to stop
app-track-stopped = Track stopped at { $n } points, press to go on
app-track-help = Not needed. The track stays on this handheld, is never sent, and is deleted after 30 days.
app-back-map = Map

# Moving out and in
app-move = Move out
app-move-to = Where to
app-move-choose = Please choose
app-move-away = Out of the town
app-move-help = The record goes to that grid, which confirms it. The house stays behind, and so does a householder who does not come along.
app-move-away-help = The residence status becomes “moved out”; the record stays here, and no visit is due any more.
app-move-along = Who of the household goes along
app-move-do = { $n ->
    [one] Move one person out
   *[other] Move { $n } people out
  }
app-move-where = Please choose where to.
app-move-away-done = Noted: moved out of the town.
app-move-done = Handed to { $area }, which has to confirm it.
app-arrivals = Moving in, to be confirmed
app-arrival-from = Moved here from { $area }
app-arrival-help = Confirm when they live here, then add the new address; send them back if they are not here.
app-arrival-yes = They live here
app-arrival-no = Not here, send back
app-back-move = Move out

app-diagnostics = Write a diagnostics file
app-diagnostics-help = For when it does not sync and you ask the administrator. Figures and codes only, nothing about residents.
app-diagnostics-done = Written: { $path }

app-delete = Delete this record
app-delete-help = Only for what was recorded by mistake or twice. Lists show it no more; it can be brought back on this page.
app-delete-sure = Delete
app-delete-not = Keep
app-bring-back = Bring it back

# A newer version
app-update = New version
app-update-line = There is a new version, { $version }, { $size }. All that you have filled in stays.
app-update-at-centre = This version is too old. Please take the terminal to the centre, where an administrator replaces it. All that you have filled in stays and can still be sent.
app-update-urgent = The centre wants this version replaced soon
app-update-waits = It can be replaced once everything is sent; something still waits.
app-update-do = Download and install
app-update-busy = Downloading
