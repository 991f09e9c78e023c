# All that is stored of a person.

data-title = Your data
data-export = A copy of your data
data-export-about = A file (JSON) with all that is stored of you: your profile, your devices, what you allowed to apps, and what happened in your account. Secrets are not in it.
data-export-submit = Get the file
data-delete = Delete the account
data-delete-about = The account { $account } is removed at once, with all that is stored of you here, and cannot be brought back. You are signed out everywhere. What apps know of you, they keep: ask them.
data-sure = I am sure: delete my account.
data-delete-submit = Delete the account
data-not-sure = Nothing was deleted. If you are sure, tick the box above the button, too.
data-last-administrator = Nothing was deleted: nobody else can administer this house. Make somebody else an administrator first.
data-no-choice = Nothing was chosen. Go back and press one of the buttons.
data-deleted-title = Your account is deleted
data-deleted-about = All that was stored of you here is gone. You can close this page.
data-deleted-start = Go to the start page
