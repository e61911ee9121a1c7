-- The job is done; unless frames came that are not in the video.
-- KEYS: jobs, job, frames. ARGV: session, token, number of the last frame that was read, fields and values of the result.
local jobs, job, frames = KEYS[1], KEYS[2], KEYS[3]
if redis.call('HGET', job, 'claim') ~= ARGV[2] then return 0 end
local now = clock()
redis.call('HDEL', job, 'claim', 'error')
redis.call('HSET', job, 'state', 'built', 'attempts', 0, 'finished', now, unpack(ARGV, 4))
if number(job, 'frames') > tonumber(ARGV[3]) then
  redis.call('HSET', job, 'state', 'waiting')
  redis.call('ZADD', jobs, number(job, 'due'), ARGV[1])
else
  redis.call('ZREM', jobs, ARGV[1])
  redis.call('PEXPIRE', frames, number(job, 'result_ttl'))
  redis.call('PEXPIRE', job, number(job, 'result_ttl'))
end
return 1
