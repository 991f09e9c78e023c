import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError, SignedOut, Unreachable, challengeOf, explain, retryAfter } from '../build/errors.js';

test('people are told what to do about it', () => {
  assert.match(explain(new Unreachable()), /cannot be reached/);
  assert.match(explain(new SignedOut()), /Sign in again/);
  assert.match(explain(new ApiError(429, 'temporarily_unavailable', { retryAfter: 7 })), /again in 7 seconds/);
  assert.match(explain(new ApiError(429, 'temporarily_unavailable', { retryAfter: 1 })), /in a second\./);
  assert.match(explain(new ApiError(429, 'temporarily_unavailable')), /in a moment/);
  assert.match(explain(new ApiError(413, 'too_large')), /too long/);
  assert.match(explain(new ApiError(503, 'server_error')), /problem \(503\)/);
  assert.match(explain(new ApiError(422, 'invalid_entry', { description: 'not a JWE.' })), /refused this: not a JWE\.$/);
  assert.match(explain(new Error('boom')), /in this page \(boom\)/);
});

test('Retry-After is seconds or a date (RFC 9110 §10.2.3)', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  assert.equal(retryAfter('120', now), 120);
  assert.equal(retryAfter('0', now), 1);
  assert.equal(retryAfter('Thu, 01 Jan 2026 00:00:30 GMT', now), 30);
  assert.equal(retryAfter('soon', now), undefined);
  assert.equal(retryAfter(null, now), undefined);
});

test('a challenge says which sign-in is wanted (RFC 9470 §3)', () => {
  assert.deepEqual(challengeOf('DPoP error="insufficient_user_authentication", acr_values="urn:x:mfa", max_age="300"'), { acr_values: 'urn:x:mfa', max_age: 300 });
  assert.deepEqual(challengeOf('DPoP'), {});
  assert.deepEqual(challengeOf(null), {});
});
