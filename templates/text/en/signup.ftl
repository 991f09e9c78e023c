# Making an account: the page that asks for a mail address, and what its link opens.

signup-title = Create an account
signup-about = One { $brand } account for every app that sends you here.
signup-about-for = Your { $brand } account signs you in to { $app } and to every other app that sends you here.
signup-email = Mail address
signup-hint = We send you a link. The account is made when you follow it.
signup-submit = Send the link
signup-login = I have an account already
signup-wrong-email = This is not a mail address. Write it as name@example.com.
signup-sent = If the address is right, a mail is on its way to it. The link in it works once, within { $time }.

signup-new-title = Finish your account
signup-new-about = It gets the mail address { $email }, which is confirmed by this link.
signup-new-name = Name
signup-new-name-hint = What apps call you. You can change it at any time.
signup-new-username = User name
signup-new-submit = Make the account
signup-new-wrong-name = A name has at most 200 characters.
