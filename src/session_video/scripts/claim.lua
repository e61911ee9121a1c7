-- Takes the job that has been due the longest: not yet taken, or of a worker whose lease is over.
-- KEYS: jobs. ARGV: what keys of jobs begin with, what keys of frames begin with, token, lease in milliseconds, attempts
-- allowed, how long what waits is kept.
-- Answers session, attempt and task; or the milliseconds until there may be one, -1 for nobody knows.
local jobs, token = KEYS[1], ARGV[3]
local now = clock()
while true do
  local first = redis.call('ZRANGE', jobs, 0, 0, 'WITHSCORES')
  if #first == 0 then return { '-1' } end
  local session, due = first[1], tonumber(first[2])
  if due > now then return { tostring(math.ceil(due - now)) } end
  local job, frames = ARGV[1] .. session, ARGV[2] .. session
  if redis.call('HEXISTS', job, 'frames') == 0 then
    -- Nobody came for it in all its time.
    redis.call('ZREM', jobs, session)
  elseif redis.call('HINCRBY', job, 'attempts', 1) > tonumber(ARGV[5]) then
    fail(jobs, job, frames, session, 'every worker that took the job vanished', now)
  else
    redis.call('HSET', job, 'state', 'working', 'claim', token, 'started', now)
    redis.call('HSET', job, 'claimed', number(job, 'frames'))
    redis.call('ZADD', jobs, now + tonumber(ARGV[4]), session)
    redis.call('PEXPIRE', job, ARGV[6])
    redis.call('PEXPIRE', frames, ARGV[6])
    return { session, redis.call('HGET', job, 'attempts'), redis.call('HGET', job, 'task') }
  end
end
