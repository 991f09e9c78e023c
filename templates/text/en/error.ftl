# What a person is shown when something went wrong and no app can be told.

error-start = Go to the start page

error-request-title = This cannot go on
error-request-advice = Go back to the app and try again. If it happens again, tell the people who run the app what stands here.
error-not-found-title = There is no page here
error-not-found = Check the address, or go back to where you came from.
error-method-title = This page cannot be used like that
error-method = Go back to where you came from, and try again.
error-form-title = This form has expired
error-form = Nothing was changed. Go back, reload the page and try again; if it happens again, allow cookies for this site.
error-expired-title = This request has expired
error-expired = Go back to the app and start from there again. If it happens at once, allow cookies for this site.
error-link-title = This link does not work any more
error-link = It was used already, a newer one was made, or it has expired. Ask for a new one.
error-busy-title = Too many people at once
error-busy = Wait a moment, then try again. Nothing was lost.
error-too-many-title = Too many requests
error-too-many = You, or others who share your connection, asked for too much in a short time. Wait { $wait }, then try again. Nothing was lost.
error-broken-title = Something went wrong on our side
error-broken = Nothing was changed. Try again in a moment.

# A request that cannot be read, and whose it is.
error-sent-by-app = The app sent a broken request: { error-sent }.
error-sent-by-browser = Your browser sent a broken request: { error-sent }.
error-sent =
    { $problem ->
        [encoding] parameters must be form-encoded UTF-8
        [nul] parameters must not contain NUL
        [too-many] too many parameters
        [repeated] a parameter was sent more than once
        [media-type] the body must be application/x-www-form-urlencoded
        [too-large] the body is too large
       *[incomplete] the body did not arrive
    }

# What the app did wrong. Its developers look for the parameter's name.
error-unregistered = The app that you came from is no longer registered here.
error-app-twice = The app named itself or its address more than once.
error-app-missing = The app did not say which app it is (client_id is missing).
error-app-unknown = This app is not registered here (its client_id is unknown).
error-request-object = The app asked by a request object that cannot be read, and did not say outside of it where to answer.
error-redirect-unregistered = The app asked to send you to an address that it did not register (redirect_uri).
error-redirect-missing = The app did not say where to send you (redirect_uri is missing).
error-logout-repeated = The app sent a parameter more than once.
error-logout-hint = The app sent an ID token that this provider did not issue (id_token_hint).
error-logout-app = The app named another app than its ID token does (client_id).
error-logout-redirect = The app asked to send you to an address that it did not register (post_logout_redirect_uri).
error-logout-nobody = It is not known which app wants to send you on after signing out.
