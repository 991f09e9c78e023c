# Which of the accounts on a browser is meant.

accounts-title = Choose an account
accounts-for = to go on to <strong>{ $app }</strong>
accounts-about = You are signed in to { $brand } with these accounts on this browser.
accounts-present = in use
accounts-signed-out = signed out
accounts-expected = The app expects this account
accounts-another = Use another account
accounts-full = There are as many accounts here as there can be: another one takes the place of the one that was not used for the longest time.
accounts-sign-out = Sign out of all accounts
accounts-no-choice = Nothing was chosen. Go back and press the button of one account.
