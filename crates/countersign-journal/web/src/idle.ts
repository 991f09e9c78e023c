/** Calls back after `minutes` without a key, a touch or a movement. Clocks of tabs in the background run unreliably, so the time is compared when the page is seen again. */
export function whenIdle(minutes: number, isActive: () => boolean, callback: () => void): void {
  let last = Date.now();
  const check = () => {
    if (isActive() && Date.now() - last >= minutes * 60_000) callback();
  };
  const used = () => {
    // Whoever comes back after that long finds it locked, before their touch counts.
    check();
    last = Date.now();
  };
  for (const name of ['keydown', 'pointerdown', 'pointermove', 'wheel', 'touchstart']) {
    addEventListener(name, used, { passive: true, capture: true });
  }
  document.addEventListener('visibilitychange', check);
  setInterval(check, 10_000);
}
