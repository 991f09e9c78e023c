# Auf jeder Seite, und was in anderen Texten steht.

common-optional = (freiwillig)

common-device = { $browser } auf { $system }
common-device-unknown = Ein Gerät, das wir nicht kennen

common-span =
    { $unit ->
        [seconds]
            { $number ->
                [one] 1 Sekunde
               *[other] { $number } Sekunden
            }
        [minutes]
            { $number ->
                [one] 1 Minute
               *[other] { $number } Minuten
            }
        [hours]
            { $number ->
                [one] 1 Stunde
               *[other] { $number } Stunden
            }
       *[days]
            { $number ->
                [one] 1 Tag
               *[other] { $number } Tage
            }
    }

common-day = { $day }. { common-month } { $year }
common-moment = { $day }. { common-month } { $year }, { $time } Uhr (UTC)
common-month =
    { $month ->
        [1] Januar
        [2] Februar
        [3] März
        [4] April
        [5] Mai
        [6] Juni
        [7] Juli
        [8] August
        [9] September
        [10] Oktober
        [11] November
       *[12] Dezember
    }
