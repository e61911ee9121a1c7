-- What every script begins with.

-- Milliseconds on Redis's clock: the only one that all programs share.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A number of a job's record; 0 where there is none.
local function number(job, field)
  return tonumber(redis.call('HGET', job, field) or 0) or 0
end

-- No worker takes the job again, unless frames come.
local function fail(jobs, job, frames, session, reason, now)
  redis.call('HSET', job, 'state', 'failed', 'error', reason, 'finished', now)
  redis.call('HDEL', job, 'claim')
  redis.call('ZREM', jobs, session)
  redis.call('PEXPIRE', frames, number(job, 'result_ttl'))
  redis.call('PEXPIRE', job, number(job, 'failure_ttl'))
end
