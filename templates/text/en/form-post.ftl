# On the way back to an app, where no script runs.

form-post-title = Back to the app
form-post-heading = Back to the app
form-post-about = Your browser runs no scripts, so it needs a hand here.
form-post-go-on = Go on
