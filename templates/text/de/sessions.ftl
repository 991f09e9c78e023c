# Wo jemand angemeldet ist.

sessions-title = Geräte
sessions-about = Hier sind Sie angemeldet. Wenn Sie ein Gerät davon nicht kennen, melden Sie es ab und ändern Sie Ihr Passwort.
sessions-present = dieses Gerät
sessions-since = Angemeldet am { $since }
sessions-seen = Zuletzt gesehen am { $seen }
sessions-address = Von { $address }
sessions-apps = Verwendet von
sessions-end = Abmelden
sessions-end-present = Dieses Gerät abmelden
sessions-end-others = Alle anderen abmelden
sessions-ended = Es ist abgemeldet: Dort ist niemand mehr angemeldet.
sessions-effect = Was Sie abmelden, ist sofort vorbei, auch für die Apps, die es verwendet haben. Auf dem Gerät wird wieder nach Passwort und zweitem Faktor gefragt.
sessions-no-choice = Es wurde nichts gewählt. Gehen Sie zurück und drücken Sie den Knopf neben dem Gerät.
