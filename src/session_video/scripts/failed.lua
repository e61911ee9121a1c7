-- An attempt failed: there will be another one, or the job has failed.
-- KEYS: jobs, job, frames. ARGV: session, token, reason, attempts allowed, milliseconds until the next.
local jobs, job, frames = KEYS[1], KEYS[2], KEYS[3]
if redis.call('HGET', job, 'claim') ~= ARGV[2] then return 0 end
local now = clock()
if number(job, 'frames') > number(job, 'claimed') then
  -- With new frames it is a new job.
  redis.call('HDEL', job, 'claim')
  redis.call('HSET', job, 'state', 'waiting', 'attempts', 0, 'error', ARGV[3])
  redis.call('ZADD', jobs, number(job, 'due'), ARGV[1])
elseif number(job, 'attempts') >= tonumber(ARGV[4]) then
  fail(jobs, job, frames, ARGV[1], ARGV[3], now)
else
  redis.call('HDEL', job, 'claim')
  redis.call('HSET', job, 'state', 'waiting', 'error', ARGV[3])
  redis.call('ZADD', jobs, now + tonumber(ARGV[5]), ARGV[1])
end
return 1
