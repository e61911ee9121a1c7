-- Appends a frame, and has the job become due later.
-- KEYS: jobs, job, frames. ARGV: session, writer, number of the message, offset, picture file, frames limit (0: none),
-- session timeout, result TTL, failure TTL, task, how long what waits is kept. Times in milliseconds.
local jobs, job, frames = KEYS[1], KEYS[2], KEYS[3]
local session, writer, message = ARGV[1], 'writer:' .. ARGV[2], tonumber(ARGV[3])
-- Sent again, because the answer got lost.
if number(job, writer) >= message then return 0 end
local now = clock()
local due = now + tonumber(ARGV[7])
if redis.call('HEXISTS', job, 'frames') == 0 then
  redis.call('DEL', frames)
  redis.call('HSET', job, 'state', 'waiting', 'begun', now)
end
local id = redis.call('HINCRBY', job, 'frames', 1)
if tonumber(ARGV[6]) > 0 then
  redis.call('XADD', frames, 'MAXLEN', ARGV[6], id .. '-0', 'at', ARGV[4], 'file', ARGV[5])
else
  redis.call('XADD', frames, id .. '-0', 'at', ARGV[4], 'file', ARGV[5])
end
redis.call('HSET', job, writer, message, 'due', due, 'result_ttl', ARGV[8], 'failure_ttl', ARGV[9], 'task', ARGV[10])
-- The end of a lease is not moved: what came meanwhile is seen when the worker is done.
if redis.call('HGET', job, 'state') ~= 'working' then
  redis.call('HSET', job, 'state', 'waiting', 'attempts', 0)
  redis.call('ZADD', jobs, due, session)
end
redis.call('PEXPIRE', job, ARGV[11])
redis.call('PEXPIRE', frames, ARGV[11])
return 1
