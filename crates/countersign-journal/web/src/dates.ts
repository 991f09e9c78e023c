// The page speaks English; how people there write dates is their own.
const locale = navigator.languages.find((language) => language.startsWith('en')) ?? 'en-GB';

const format = (options: Intl.DateTimeFormatOptions) => {
  const formatter = new Intl.DateTimeFormat(locale, options);
  return (date: Date) => formatter.format(date);
};

export const month = format({ month: 'long', year: 'numeric' });
export const dayNumber = format({ day: 'numeric' });
export const weekday = format({ weekday: 'short' });
export const full = format({ dateStyle: 'full', timeStyle: 'short' });
export const short = format({ dateStyle: 'medium', timeStyle: 'short' });
export const time = format({ timeStyle: 'short' });
