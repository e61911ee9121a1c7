// What most of the worker's sources include.
#define MS_CLASS "precompiled"
#include "common.hpp"
#include "Logger.hpp"
#include "MediaSoupErrors.hpp"
#include "Utils.hpp"
#include "RTC/WebRtcTransport.hpp"
#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>
#undef MS_CLASS
