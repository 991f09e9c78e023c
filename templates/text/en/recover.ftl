# A forgotten password, and the page that says that a mail is on its way.

recover-title = Forgot your password?
recover-about = Say who you are, and we send you a link with which you choose a new one.
recover-username = User name or mail address
recover-submit = Send the link
recover-login = Back to the sign-in
recover-wrong-name = Write your user name or your mail address here.
recover-sent-title = Check your mail
recover-sent = If there is such an account, a mail is on its way to its address. The link in it works once, within { $time }.
recover-sent-nothing = Nothing there after a few minutes? Look in your spam folder, then check what you wrote.
recover-sent-again = Ask again
