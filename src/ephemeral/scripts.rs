//! What Redis does at one go: each script is one step that nothing of another node comes between.

use std::sync::LazyLock;

use redis::Script;

/// `since`: the moment from which on this Redis forgot nothing. Noted anew whenever it may have forgotten something: the key is
/// gone (flushed, or restarted without persistence), another process answers (restarted from an old snapshot, or a replica took
/// over), or keys were evicted to save memory. If our clock was set back since, that moment lies ahead: it stands until, by the clock of
/// Redis, nothing was forgotten for longer than anything is accepted for.
const MEMORY: &str = "
    local function since(now)
        local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
        local evicted = string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)')
        local identity = run .. '/' .. evicted
        local known = redis.call('HMGET', KEYS[1], 'identity', 'since', 'noted')
        local clock = redis.call('TIME')[1]
        local is_same = known[1] == identity
        local set_back = known[2] and tonumber(known[2]) > tonumber(now) + 10000000
        local is_complete = is_same and known[3] and tonumber(clock) - tonumber(known[3]) > 3620
        if is_same and not (set_back and is_complete) then return known[2], 0 end
        local since = now
        if known[2] and not set_back and tonumber(known[2]) > tonumber(now) then since = known[2] end
        if set_back and not is_complete then since = known[2] end
        redis.call('HSET', KEYS[1], 'identity', identity, 'since', since, 'noted', clock)
        return since, 1
    end
";

/// Tells all who listen.
pub(super) static TELL: LazyLock<Script> = LazyLock::new(|| Script::new("return redis.call('PUBLISH', KEYS[1], '')"));

/// Since when nothing was forgotten, and whether that is news.
pub(super) static REMEMBER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{MEMORY}
        local since, news = since(ARGV[1])
        return {{since, news}}"
    ))
});

/// ARGV: now, from, until, milliseconds to live. The verdict stands before the same as above.
pub(super) static FIRST_USE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{MEMORY}
        local now = tonumber(ARGV[1])
        local since, news = since(ARGV[1])
        local expiry = redis.call('GET', KEYS[2])
        if expiry and tonumber(expiry) > now then return {{'replayed', since, news}} end
        if tonumber(ARGV[2]) <= tonumber(since) then return {{'unsure', since, news}} end
        redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
        return {{'first', since, news}}"
    ))
});

/// How many failures count under a key, and when the last of them was. One that lies more than
/// [`CLOCK_SKEW`](crate::domain::CLOCK_SKEW) ahead, in microseconds, was noted before a clock was set back: it counts, and as if it had
/// been just now. Times go through as they came, since Lua would round them when it writes them.
const FOUND: &str = "
    local function found(key, now)
        local found = redis.call('HMGET', key, 'count', 'last', 'forget_at')
        if not found[3] then return 0, '0' end
        local last, forget_at = tonumber(found[2]), tonumber(found[3])
        if last > tonumber(now) + 10000000 then
            forget_at = tonumber(now) + forget_at - last
            found[2] = now
            redis.call('HSET', key, 'last', now, 'forget_at', string.format('%.0f', forget_at))
        end
        if forget_at <= tonumber(now) then return 0, '0' end
        return tonumber(found[1]), found[2]
    end
";

/// ARGV: now. Count and last, or nothing.
pub(super) static FAILURES: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{FOUND}
        local count, last = found(KEYS[1], ARGV[1])
        return {{count, last}}"
    ))
});

/// One more failure under a key.
const ADD: &str = "
    local function add(key, now, forget_at, time_to_live)
        local count, last = found(key, now)
        redis.call('HSET', key, 'count', count + 1, 'last', now, 'previous', last, 'forget_at', forget_at)
        redis.call('HDEL', key, 'told')
        redis.call('PEXPIRE', key, time_to_live)
        return {count, last}
    end
";

/// ARGV: now, when to forget, milliseconds to live. Count and last before.
pub(super) static ADD_FAILURE: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("{FOUND} {ADD} return add(KEYS[1], ARGV[1], ARGV[2], ARGV[3])")));

/// ARGV: now, how many delays, each of them; then for each key how many failures are free, when to forget, milliseconds to live.
/// How long to wait, and whether that is news; or 0 when the try was counted.
pub(super) static ATTEMPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{FOUND} {ADD}
        local now, delays = tonumber(ARGV[1]), tonumber(ARGV[2])
        local longest, slowest = 0, nil
        for i, key in ipairs(KEYS) do
            local count, last = found(key, now)
            local beyond = count - tonumber(ARGV[delays + 3 * i])
            if last ~= '0' and beyond >= 0 then
                local wait = tonumber(last) + tonumber(ARGV[3 + math.min(beyond, delays - 1)]) - now
                if wait > longest then longest, slowest = wait, key end
            end
        end
        if slowest then return {{longest, redis.call('HSET', slowest, 'told', 1)}} end
        for i, key in ipairs(KEYS) do
            add(key, ARGV[1], ARGV[delays + 3 * i + 1], ARGV[delays + 3 * i + 2])
        end
        return {{0, 0}}"
    ))
});

/// ARGV: when it was counted.
pub(super) static TAKE_BACK_FAILURE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "for _, key in ipairs(KEYS) do
            local found = redis.call('HMGET', key, 'count', 'last', 'previous')
            if found[1] and tonumber(found[1]) > 0 then redis.call('HINCRBY', key, 'count', -1) end
            if found[1] and found[2] == ARGV[1] then redis.call('HSET', key, 'last', found[3]) end
        end
        return 0",
    )
});

pub(super) static FORGET_FAILURES: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('DEL', KEYS[1])"));

/// ARGV: for each key how many requests there may be, the number of the fixed window, how long it has lasted, how long it lasts, and
/// how long the key lives, times in milliseconds. Whether the request was counted (0 or 1), then for each key how many there are in the
/// present window and were in the one before. The rules are those of `domain::rate`, [`CLOCK_SKEW`](crate::domain::CLOCK_SKEW) among them.
pub(super) static COUNT_REQUEST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local counted, answer, windows = 1, {0}, {}
        for i, key in ipairs(KEYS) do
            local a = 5 * (i - 1)
            local window, elapsed, length = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
            local current, previous = 0, 0
            local found = redis.call('HMGET', key, 'window', 'current', 'previous')
            local last = tonumber(found[1] or window)
            if last > window + 1 + math.floor(10000 / length) then last = window - 2 end
            if last > window then window, elapsed = last, 0 end
            if last == window then current, previous = tonumber(found[2] or 0), tonumber(found[3] or 0) end
            if last == window - 1 then previous = tonumber(found[2]) end
            if current * length + previous * (length - elapsed) > (tonumber(ARGV[a + 1]) - 1) * length then counted = 0 end
            windows[i], answer[2 * i], answer[2 * i + 1] = window, current, previous
        end
        answer[1] = counted
        if counted == 0 then return answer end
        for i, key in ipairs(KEYS) do
            answer[2 * i] = answer[2 * i] + 1
            redis.call('HSET', key, 'window', windows[i], 'current', answer[2 * i], 'previous', answer[2 * i + 1])
            redis.call('PEXPIRE', key, ARGV[5 * i])
        end
        return answer",
    )
});
