# Words that the handheld and the console share. The keys end in the code names of the code.

yes = Yes
no = No
none = None
colon = {": "}
list-separator = {", "}
facts-separator = {", "}

lang-zh-CN = 中文
lang-en = English

role-grid_member = Grid member
role-grid_leader = Grid leader
role-informant = Informant
role-patrol_member = Patrol member
role-center_staff = Centre staff
role-department = Department
role-admin = Administrator

area-county = County
area-town = Town
area-community = Large grid
area-grid = Grid

kind-person = Person
kind-place = Place
kind-object = Object
kind-event = Event
kind-organization = Organisation
kind-photo = Photos
kind-workbook = Workbook
kind-area = Outlines of areas

part-open = Open part
part-restricted = Care

step-report = Report
step-settle_on_site = Settle on site
step-take = Take
step-raise = Raise
step-dispatch = Dispatch
step-handle = Handle
step-extend = Ask for an extension
step-grant_extension = Grant the extension
step-send_back = Send back
step-feedback = Feedback
step-close = Close
step-archive = Archive
step-urge = Urge
step-supervise = Supervise

stage-reported = To be dispatched
stage-handling = Being handled
stage-handled = Awaiting feedback
stage-answered = To be closed
stage-closed = Closed
stage-archived = Archived

level-grid = Grid
level-community = Large grid
level-centre = Centre

light-green = In time
light-yellow = Due soon
light-red = Overdue

host = In charge
helpers = Helping
limit-hours = { $n ->
    [one] { $n } hour
   *[other] { $n } hours
}
limit-days = { $n ->
    [one] { $n } working day
   *[other] { $n } working days
}
satisfied-yes = Satisfied
satisfied-no = Not satisfied
outcome-settled = Settled
outcome-not_settled = Not settled
outcome-reconciled = Reconciled
outcome-not_reconciled = Not reconciled
contested = Steps disagree, please decide
contested-pair = “{ $a }” and “{ $b }” happened at the same time, please decide which one stands

age-years = { $n ->
    [one] { $n } year old
   *[other] { $n } years old
}
unverified = Unverified
to-decide = To be settled
outside-grid = Outside the grid · { $kind }
role-only = { $role } (name known to the centre only)

time-now = just now
time-minutes-ago = { $n } min ago
time-hours-ago = { $n } h ago
time-days-ago = { $n ->
    [one] { $n } day ago
   *[other] { $n } days ago
}
time-hours-left = { $n } h left
time-days-left = { $n ->
    [one] { $n } day left
   *[other] { $n } days left
}
time-minutes-left = { $n } min left
time-hours-over = { $n } h over
time-days-over = { $n ->
    [one] { $n } day over
   *[other] { $n } days over
}
time-minutes-over = { $n } min over

unit-bytes = { $n } bytes
unit-kilobytes = { $n } KB
unit-megabytes = { $n } MB
unit-metres = { $n } m

# Problems of validation.
problem-required = Please fill this in.
problem-shape = The content does not have the right form.
problem-path = This cannot be filled in like that.
problem-part = This does not belong to this part of the record.
problem-too-long = At most { $max } characters, this has { $found }.
problem-characters = It has characters that cannot be shown, please type it again.
problem-number = Please give a number.
problem-range = It should be between { $min } and { $max }.
problem-date = Write the date like 2026-11-23; the day must exist.
problem-choice = There is no such choice, please choose again.
problem-link = Please pick a record that exists.
problem-photo = The particulars of the photo are incomplete, please take it again.
problem-position = The position is not right, please locate again.
problem-area = The grid is not said.
problem-entry = The number of this entry is not that of its save.
problem-phone-length = A mobile number has { $expected } digits, this has { $found }.
problem-phone-characters = Only digits in a phone number.
problem-phone-short = That is no number of digits for a phone: { $found }.
problem-number-length = Unverified: it should have { $expected } characters, this has { $found }. Look at the document once more; if it is right, save it so.
problem-number-characters = Unverified: it has characters that should not be there. Look at the document once more; if it is right, save it so.
problem-number-date = Unverified: the date in the number does not exist. Look at the document once more; if it is right, save it so.
problem-number-check = Unverified: the last digit does not fit. Look at the document once more; if it is right, save it so.

# Why a step is not possible.
workflow-not-an-event = Only events have steps.
workflow-bad-entry = The content of this step cannot be read.
workflow-one-step = One step at a time.
workflow-entry-once = A step once written cannot be changed.
workflow-already-reported = This event has been reported already.
workflow-not-reported = This event has not been reported yet.
workflow-not-now = This step is not possible now.
workflow-not-yours = This step is not yours.
workflow-contested = Steps disagree; whoever dispatched or the centre has to decide first.
workflow-reason-missing = Please give the reason.
workflow-text-missing = Please say what was done.
workflow-host-missing = Please choose who is in charge.
workflow-host-is-helper = Who is in charge cannot also be helping.
workflow-limit-missing = Please say how much longer.
workflow-limit-too-long = A limit is 15 days at most, extensions included.
workflow-already-asked = An extension has been asked for and not answered yet.
workflow-nothing-asked = Nobody has asked for an extension.
workflow-top = It is with the centre already and cannot be raised.
workflow-outcome-missing = Please say the outcome.
workflow-ledger-missing = Please give the ledger number.
workflow-archived = This event is archived: it can be read, not changed.

# Work
work-visit = Visit
work-patrol = Patrol
work-inspection = Inspection
work-meeting = Meeting
work-campaign = Campaign
work-title = { $work } { $month }/{ $day }

# Asked about, not refused
doubt-future = That is still to come, please check. If it is right, save it all the same.
doubt-position-zero = The receiver seems to have failed (0°, 0°), please locate again. It can be saved as it is.
doubt-position-outside = That is outside of the town, please check. If it is right, save it all the same.
