// The memory holds a page of control and two sets of slots, one of kSlotBytes for each rank. Longer
// data go through the slots in pieces:
//
//   write the piece to one's own slot | Meet | read the slots of all | the other set is next
//
// Invariant: a rank that writes to a set for the second time has met the others in between, at the
// other set, where they came only after they had read the first. So one meeting for each piece is
// enough. Sums of many ranks take another: each rank adds up a part of the piece for all, and reads
// the sum from rank 0's slot, so that it reads as much as two pieces instead of one from every
// slot.
//
// A rank is present while it holds a lock on its byte of the memory's file, by an open file
// description of its own. The kernel releases it when the process ends, however that happens.
//
// Meet counts the ranks that have arrived; the last one starts the next generation. Waiting spins
// for some microseconds, as ranks with equal work arrive at nearly the same time, then sleeps in
// the kernel (futex). Every kLook it checks whether a rank has ended.

#include "rcnn/training/distributed/local_exchange.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <fstream>
#include <random>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

constexpr size_t kControlBytes = 4096;
// Fits into the caches of a core or two.
constexpr size_t kSlotBytes = size_t{2} << 20;
constexpr int64_t kSlotFloats = kSlotBytes / sizeof(float);
// With more ranks than this each adds up only a part.
constexpr int kMostReaders = 3;
constexpr int kSpins = 2000;
constexpr absl::Duration kLook = absl::Milliseconds(50);

absl::Status Unavailable(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat("cannot ", what, ": ", std::strerror(errno)));
}

// Differs between machines, and between starts of one.
std::string BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

size_t BytesFor(int ranks) { return kControlBytes + 2 * static_cast<size_t>(ranks) * kSlotBytes; }

struct flock MakeLock(int rank, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = rank;
  lock.l_len = 1;
  return lock;
}

long Futex(std::atomic<uint32_t>& word, int operation, uint32_t value, const timespec* timeout) {
  return syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), operation, value, timeout, nullptr,
                 0);
}

// Arrays as if they were one: each call of Next continues after the last.
class Cursor {
 public:
  explicit Cursor(absl::Span<const absl::Span<float>> arrays) : arrays_(arrays) {}

  // Calls function(values) for the next `count` values, in one or several pieces.
  template <typename Function>
  void Next(int64_t count, const Function& function) {
    while (count > 0) {
      const absl::Span<float> rest = arrays_[array_].subspan(static_cast<size_t>(begin_));
      const int64_t piece = std::min(count, static_cast<int64_t>(rest.size()));
      if (piece > 0) function(rest.first(static_cast<size_t>(piece)));
      count -= piece;
      begin_ += piece;
      if (begin_ < static_cast<int64_t>(arrays_[array_].size())) continue;
      ++array_;
      begin_ = 0;
    }
  }

 private:
  const absl::Span<const absl::Span<float>> arrays_;
  size_t array_ = 0;
  int64_t begin_ = 0;
};

}  // namespace

struct LocalExchange::Control {
  uint64_t nonce = 0;
  alignas(64) std::atomic<uint32_t> arrived = {0};
  alignas(64) std::atomic<uint32_t> generation = {0};
};

absl::StatusOr<std::unique_ptr<LocalExchange>> LocalExchange::Create(int ranks) {
  const int made = memfd_create("rcnn", MFD_CLOEXEC);
  if (made < 0) return Unavailable("make shared memory");
  std::unique_ptr<LocalExchange> exchange(new LocalExchange(/*rank=*/0, ranks, made));
  if (ftruncate(made, static_cast<off_t>(BytesFor(ranks))) != 0) {
    return Unavailable("size shared memory");
  }
  RCNN_RETURN_IF_ERROR(exchange->Map());
  std::random_device random;
  exchange->control_->nonce = (uint64_t{random()} << 32) | random();
  exchange->address_ =
      absl::StrCat(BootId(), " ", getpid(), " ", made, " ", exchange->control_->nonce);
  return exchange;
}

// The path names a descriptor of another process, which may mean another file here.
absl::StatusOr<std::unique_ptr<LocalExchange>> LocalExchange::Open(absl::string_view address,
                                                                   int rank, int ranks) {
  const std::vector<absl::string_view> words = absl::StrSplit(address, ' ');
  uint64_t nonce = 0;
  if (words.size() != 4 || !absl::SimpleAtoi(words[3], &nonce) || words[0] != BootId()) {
    return absl::UnavailableError("the shared memory is on another machine");
  }
  const std::string path = absl::StrCat("/proc/", words[1], "/fd/", words[2]);
  const int opened = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (opened < 0) return Unavailable(absl::StrCat("open ", path));
  std::unique_ptr<LocalExchange> exchange(new LocalExchange(rank, ranks, opened));
  struct stat found = {};
  if (fstat(opened, &found) != 0 || !S_ISREG(found.st_mode) ||
      found.st_size != static_cast<off_t>(BytesFor(ranks))) {
    return absl::UnavailableError(absl::StrCat(path, " is not the shared memory"));
  }
  RCNN_RETURN_IF_ERROR(exchange->Map());
  if (exchange->control_->nonce == nonce) return exchange;
  return absl::UnavailableError(absl::StrCat(path, " is not the shared memory"));
}

LocalExchange::~LocalExchange() {
  if (control_ != nullptr) munmap(control_, bytes_);
  close(descriptor_);
}

absl::Status LocalExchange::Map() {
  static_assert(std::atomic<uint32_t>::is_always_lock_free);
  static_assert(sizeof(Control) <= kControlBytes);
  struct flock lock = MakeLock(rank_, F_WRLCK);
  if (fcntl(descriptor_, F_OFD_SETLK, &lock) != 0) return Unavailable("lock shared memory");
  void* const memory =
      mmap(nullptr, BytesFor(ranks_), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (memory == MAP_FAILED) return Unavailable("map shared memory");
  // All of it is zero, as a new Control is.
  control_ = static_cast<Control*>(memory);
  bytes_ = BytesFor(ranks_);
  return absl::OkStatus();
}

char* LocalExchange::Slot(int rank) const {
  return reinterpret_cast<char*>(control_) + kControlBytes +
         static_cast<size_t>(turn_ * ranks_ + rank) * kSlotBytes;
}

float* LocalExchange::Floats(int rank) const { return reinterpret_cast<float*>(Slot(rank)); }

absl::Status LocalExchange::CheckPresence() const {
  for (int rank = 0; rank < ranks_; ++rank) {
    if (rank == rank_) continue;
    struct flock lock = MakeLock(rank, F_WRLCK);
    if (fcntl(descriptor_, F_OFD_GETLK, &lock) != 0) return Unavailable("see locks");
    if (lock.l_type == F_UNLCK) {
      return absl::UnavailableError(absl::StrCat("rank ", rank, " has closed the shared memory"));
    }
  }
  return absl::OkStatus();
}

absl::Status LocalExchange::Meet(absl::Duration timeout) {
  std::atomic<uint32_t>& generation = control_->generation;
  const uint32_t now = generation.load(std::memory_order_acquire);
  if (control_->arrived.fetch_add(1, std::memory_order_acq_rel) + 1 ==
      static_cast<uint32_t>(ranks_)) {
    control_->arrived.store(0, std::memory_order_relaxed);
    generation.store(now + 1, std::memory_order_release);
    Futex(generation, FUTEX_WAKE, INT_MAX, nullptr);
    return absl::OkStatus();
  }
  const auto is_next = [&] { return generation.load(std::memory_order_acquire) != now; };
  for (int i = 0; i < kSpins; ++i) {
    if (is_next()) return absl::OkStatus();
  }
  const absl::Time deadline = MonotonicNow() + timeout;
  const timespec period = absl::ToTimespec(kLook);
  absl::Time next_look = MonotonicNow() + kLook;
  while (!is_next()) {
    Futex(generation, FUTEX_WAIT, now, &period);
    // Signals end the wait early, those of a profiler every time.
    if (is_next() || MonotonicNow() < next_look) continue;
    next_look = MonotonicNow() + kLook;
    const absl::Status present = CheckPresence();
    // The last one to come may have left since.
    if (!present.ok()) return is_next() ? absl::OkStatus() : present;
    if (MonotonicNow() >= deadline) return absl::DeadlineExceededError("a rank has not come");
  }
  return absl::OkStatus();
}

void LocalExchange::AddSlots(int64_t begin, absl::Span<float> out) const {
  const float* const first = Floats(0) + begin;
  const float* const second = Floats(1) + begin;
  for (size_t i = 0; i < out.size(); ++i) out[i] = first[i] + second[i];
  for (int rank = 2; rank < ranks_; ++rank) {
    const float* const more = Floats(rank) + begin;
    for (size_t i = 0; i < out.size(); ++i) out[i] += more[i];
  }
}

void LocalExchange::AddOwnPart(int64_t count) const {
  const int64_t begin = count * rank_ / ranks_, end = count * (rank_ + 1) / ranks_;
  AddSlots(begin, absl::MakeSpan(Floats(0) + begin, static_cast<size_t>(end - begin)));
}

absl::Status LocalExchange::Sum(absl::Span<const absl::Span<float>> values,
                                absl::Duration timeout) {
  int64_t left = 0;
  for (const absl::Span<float> array : values) left += static_cast<int64_t>(array.size());
  Cursor from(values), to(values);
  const bool in_parts = ranks_ > kMostReaders;
  for (; left > 0; turn_ = 1 - turn_) {
    const int64_t count = std::min(left, kSlotFloats);
    float* own = Floats(rank_);
    from.Next(count,
              [&](absl::Span<float> piece) { own = std::copy(piece.begin(), piece.end(), own); });
    RCNN_RETURN_IF_ERROR(Meet(timeout));
    if (in_parts) {
      AddOwnPart(count);
      RCNN_RETURN_IF_ERROR(Meet(timeout));
    }
    int64_t begin = 0;
    to.Next(count, [&](absl::Span<float> piece) {
      if (in_parts) {
        std::copy_n(Floats(0) + begin, piece.size(), piece.begin());
      } else {
        AddSlots(begin, piece);
      }
      begin += static_cast<int64_t>(piece.size());
    });
    left -= count;
  }
  return absl::OkStatus();
}

// A slot holds the whole length of its rank's bytes, and the next of them.
absl::StatusOr<std::vector<std::string>> LocalExchange::AllGather(absl::string_view bytes,
                                                                  absl::Duration timeout) {
  constexpr size_t kPiece = kSlotBytes - sizeof(uint64_t);
  std::vector<std::string> all(static_cast<size_t>(ranks_));
  const uint64_t length = bytes.size();
  for (bool is_complete = false; !is_complete; turn_ = 1 - turn_) {
    const absl::string_view piece = bytes.substr(0, kPiece);
    std::memcpy(Slot(rank_), &length, sizeof(length));
    std::copy(piece.begin(), piece.end(), Slot(rank_) + sizeof(length));
    bytes.remove_prefix(piece.size());
    RCNN_RETURN_IF_ERROR(Meet(timeout));
    is_complete = true;
    for (int rank = 0; rank < ranks_; ++rank) {
      std::string& received = all[static_cast<size_t>(rank)];
      uint64_t total = 0;
      std::memcpy(&total, Slot(rank), sizeof(total));
      received.append(Slot(rank) + sizeof(total),
                      std::min<size_t>(kPiece, total - received.size()));
      is_complete = is_complete && received.size() == total;
    }
  }
  return all;
}

}  // namespace rcnn::training
