// What can go wrong with a request, and what people are told of it.

/** What a server asks of a sign-in (RFC 9470). */
export interface Challenge {
  acr_values?: string;
  max_age?: number;
}

/** The server answered, and the answer is no. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly description: string | undefined;
  /** In seconds. */
  readonly retryAfter: number | undefined;
  readonly challenge: Challenge | undefined;

  constructor(status: number, code: string, { description, retryAfter, challenge }: { description?: string; retryAfter?: number; challenge?: Challenge } = {}) {
    super(`${status} ${code}`);
    this.status = status;
    this.code = code;
    this.description = description;
    this.retryAfter = retryAfter;
    this.challenge = challenge;
  }
}

/** No answer came. */
export class Unreachable extends Error {}

/** The sign-in has ended, and could not be renewed. */
export class SignedOut extends Error {}

/** Somebody signed in, and it is not who it was before. */
export class AnotherPerson extends Error {}

/** Too long for the server, found out before it was sent. */
export class TooLong extends Error {}

export function is(error: unknown, status: number, code?: string): error is ApiError {
  return error instanceof ApiError && error.status === status && (code === undefined || error.code === code);
}

export function explain(error: unknown): string {
  if (error instanceof Unreachable) return 'The server cannot be reached. Try again when you are connected.';
  if (error instanceof SignedOut) return 'Your sign-in has ended. Sign in again, with the link at the top.';
  if (error instanceof TooLong) return error.message;
  if (error instanceof AnotherPerson) return 'Somebody else signed in than before, so nothing was done.';
  if (!(error instanceof ApiError)) return `Something went wrong in this page (${error instanceof Error ? error.message : String(error)}).`;
  if (error.status === 429) return `The server asks for patience: try again ${waiting(error.retryAfter)}.`;
  if (error.status === 413) return 'This is too long for one entry. Shorten it, or split it in two.';
  if (error.status >= 500) return `The server has a problem (${error.status}). Try again in a moment.`;
  return `The server refused this: ${error.description ?? error.code}.`.replace(/\.\.$/, '.');
}

function waiting(seconds: number | undefined): string {
  if (seconds === undefined) return 'in a moment';
  return seconds === 1 ? 'in a second' : `in ${seconds} seconds`;
}

/** RFC 9110 §10.2.3: seconds or a date. */
export function retryAfter(field: string | null, now: number): number | undefined {
  if (field === null) return undefined;
  const seconds = /^\d+$/.test(field) ? Number(field) : Math.ceil((Date.parse(field) - now) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.max(seconds, 1);
}

/** RFC 9470 §3. */
export function challengeOf(field: string | null): Challenge {
  const parameters = new Map([...(field ?? '').matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
  const [acrValues, maxAge] = [parameters.get('acr_values'), Number(parameters.get('max_age') ?? Number.NaN)];
  return { ...(acrValues === undefined ? {} : { acr_values: acrValues }), ...(Number.isInteger(maxAge) ? { max_age: maxAge } : {}) };
}
