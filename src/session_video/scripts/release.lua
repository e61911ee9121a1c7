-- A worker that has to stop gives its job back, as if it had not taken it. KEYS: jobs, job. ARGV: session, token.
if redis.call('HGET', KEYS[2], 'claim') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[2], 'claim')
redis.call('HINCRBY', KEYS[2], 'attempts', -1)
redis.call('HSET', KEYS[2], 'state', 'waiting')
redis.call('ZADD', KEYS[1], clock(), ARGV[1])
return 1
