# Nach dem Abmelden, während Apps davon erfahren.

front-channel-title = Abmelden
front-channel-heading = Sie sind abgemeldet
front-channel-about = Die Apps, die Sie benutzt haben, erfahren es gerade. Das dauert einen Moment.
front-channel-go-on = Weiter
