# Was man sieht, wenn etwas schiefgegangen ist und es keiner App gesagt werden kann.

error-start = Zur Startseite

error-request-title = Diese Anfrage kann nicht bearbeitet werden
error-request-advice = Gehen Sie zurück zur App und versuchen Sie es noch einmal. Wenn es wieder geschieht, sagen Sie den Betreibern der App, was hier steht.
error-not-found-title = Seite nicht gefunden
error-not-found = Prüfen Sie die Adresse, oder gehen Sie dorthin zurück, woher Sie gekommen sind.
error-method-title = So lässt sich diese Seite nicht verwenden
error-method = Gehen Sie dorthin zurück, woher Sie gekommen sind, und versuchen Sie es noch einmal.
error-form-title = Dieses Formular ist abgelaufen
error-form = Es wurde nichts geändert. Gehen Sie zurück, laden Sie die Seite neu und versuchen Sie es noch einmal; wenn es wieder geschieht, erlauben Sie Cookies für diese Website.
error-expired-title = Diese Anfrage ist abgelaufen
error-expired = Gehen Sie zurück zur App und fangen Sie dort von vorn an. Wenn es gleich wieder geschieht, erlauben Sie Cookies für diese Website.
error-link-title = Dieser Link gilt nicht mehr
error-link = Er wurde schon benutzt, durch einen neueren ersetzt, oder er ist abgelaufen. Lassen Sie sich einen neuen geben.
error-busy-title = Gerade ist zu viel los
error-busy = Warten Sie einen Moment und versuchen Sie es dann noch einmal. Es ist nichts verloren gegangen.
error-too-many-title = Zu viele Anfragen
error-too-many = Von Ihnen oder anderen an Ihrem Anschluss kamen in kurzer Zeit zu viele Anfragen. Warten Sie { $wait } und versuchen Sie es dann noch einmal. Es ist nichts verloren gegangen.
error-broken-title = Bei uns ist etwas schiefgegangen
error-broken = Es wurde nichts geändert. Versuchen Sie es gleich noch einmal.

# Eine Anfrage, die sich nicht lesen lässt, und von wem sie kam.
error-sent-by-app = Die App hat eine fehlerhafte Anfrage geschickt: { error-sent }.
error-sent-by-browser = Ihr Browser hat eine fehlerhafte Anfrage geschickt: { error-sent }.
error-sent =
    { $problem ->
        [encoding] Parameter müssen formularkodiertes UTF-8 sein
        [nul] Parameter dürfen kein NUL enthalten
        [too-many] zu viele Parameter
        [repeated] ein Parameter kam mehr als einmal vor
        [media-type] der Inhalt muss application/x-www-form-urlencoded sein
        [too-large] der Inhalt ist zu groß
       *[incomplete] der Inhalt ist nicht angekommen
    }

# Was die App falsch gemacht hat. Wer sie entwickelt, sucht nach dem Namen des Parameters.
error-unregistered = Die App, von der Sie kommen, ist hier nicht mehr eingetragen.
error-app-twice = Die App hat sich selbst oder ihre Adresse mehr als einmal genannt.
error-app-missing = Die App hat nicht gesagt, welche App sie ist (client_id fehlt).
error-app-unknown = Diese App ist hier nicht eingetragen (ihre client_id ist unbekannt).
error-request-object = Die App hat in einem Anfrage-Objekt (request object) gefragt, das nicht gelesen werden kann, und außerhalb davon nicht gesagt, wohin die Antwort gehen soll.
error-redirect-unregistered = Die App wollte Sie an eine Adresse schicken, die sie nicht eingetragen hat (redirect_uri).
error-redirect-missing = Die App hat nicht gesagt, wohin sie Sie schicken will (redirect_uri fehlt).
error-logout-repeated = Die App hat einen Parameter mehr als einmal geschickt.
error-logout-hint = Die App hat ein ID-Token geschickt, das nicht von hier stammt (id_token_hint).
error-logout-app = Die App hat eine andere App genannt als ihr ID-Token (client_id).
error-logout-redirect = Die App wollte Sie an eine Adresse schicken, die sie nicht eingetragen hat (post_logout_redirect_uri).
error-logout-nobody = Es ist nicht bekannt, welche App Sie nach dem Abmelden weiterschicken will.
