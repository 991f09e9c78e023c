# The mail address: the page that changes it, and the one that a link opens.

email-title = Mail address
email-present = { $email } is the mail address of this account.
email-unconfirmed = It is not confirmed yet.
email-confirm-send = Send a mail to confirm it
email-new = New mail address
email-new-hint = We send a link there. The address changes when you follow it, and a mail tells the old one.
email-submit = Send the link
email-sent = If it can be this account's, a mail is on its way. The link in it works once, within { $time }.

email-confirm-title = Confirm your mail address
email-confirm-about = Is { $email } your mail address, and did you ask for this?
email-confirm-submit = Yes, confirm it
email-confirm-not-you = If you did not, close this page: nothing changes.
email-confirmed-title = Your mail address is confirmed
email-confirmed-about = The link has done its work and opens nothing any more.
email-confirmed-account = To your account
