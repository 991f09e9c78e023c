// An authenticator app: six digits of HMAC-SHA-1 over the number of the half minute (RFC 6238).

import { createHmac } from 'node:crypto';

const stepSeconds = 30;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The bytes of a key as it is shown, in groups of base32 characters (RFC 4648, section 6). */
function bytesOf(key) {
  const bits = [...key.replace(/[\s=]/g, '')].map((character) => alphabet.indexOf(character).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

export class Authenticator {
  #key;

  constructor(shown) {
    this.#key = bytesOf(shown);
  }

  /** The code of this half minute, or of one `ahead`, as an app whose clock is fast shows it. */
  code(ahead = 0) {
    const step = Buffer.alloc(8);
    step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / stepSeconds) + ahead));
    const mac = createHmac('sha1', this.#key).update(step).digest();
    const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
    return String(number % 1_000_000).padStart(6, '0');
  }
}
