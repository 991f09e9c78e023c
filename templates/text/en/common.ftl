# On every page, and what stands within other texts.

common-optional = (optional)

common-device = { $browser } on { $system }
common-device-unknown = A device that we do not know

common-span =
    { $unit ->
        [seconds]
            { $number ->
                [one] 1 second
               *[other] { $number } seconds
            }
        [minutes]
            { $number ->
                [one] 1 minute
               *[other] { $number } minutes
            }
        [hours]
            { $number ->
                [one] 1 hour
               *[other] { $number } hours
            }
       *[days]
            { $number ->
                [one] 1 day
               *[other] { $number } days
            }
    }

common-day = { $day } { common-month } { $year }
common-moment = { $day } { common-month } { $year }, { $time } UTC
common-month =
    { $month ->
        [1] January
        [2] February
        [3] March
        [4] April
        [5] May
        [6] June
        [7] July
        [8] August
        [9] September
        [10] October
        [11] November
       *[12] December
    }
