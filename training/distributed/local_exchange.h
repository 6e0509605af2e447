// Exchanges data between ranks that are all on one machine, through memory that they share.
//
// A value of a sum is copied once and read once by every rank. Through a socket it would be copied
// six times, and the kernel would take as long as the rest. Use it through RankGroup, which falls
// back to sockets where ranks are on several machines or may not open each other's memory.
//
// Collectives: all ranks call the same functions in the same order, once all have been opened. A
// rank that ends is noticed within moments. After an error nothing else may be called. Not
// thread-safe.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto exchange, LocalExchange::Create(/*ranks=*/2));   // rank 0
//   SendToOthers(exchange->address());
//   RCNN_ASSIGN_OR_RETURN(const auto messages, exchange->AllGather("ready", limit));

#ifndef RCNN_TRAINING_DISTRIBUTED_LOCAL_EXCHANGE_H_
#define RCNN_TRAINING_DISTRIBUTED_LOCAL_EXCHANGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace rcnn::training {

class LocalExchange {
 public:
  // Rank 0: makes the memory, which has a file descriptor but no file. kUnavailable if the system
  // does not allow it.
  static absl::StatusOr<std::unique_ptr<LocalExchange>> Create(int ranks);

  // Another rank, while rank 0 keeps its own: maps the memory with this address(). kUnavailable if
  // it is on another machine, or may not be opened.
  static absl::StatusOr<std::unique_ptr<LocalExchange>> Open(absl::string_view address, int rank,
                                                             int ranks);

  // Leaves: others that wait for this rank get an error.
  ~LocalExchange();

  LocalExchange(const LocalExchange&) = delete;
  LocalExchange& operator=(const LocalExchange&) = delete;

  // For Open. A line of text.
  const std::string& address() const { return address_; }

  // Replaces the values with their sums over all ranks, added in the order of the ranks:
  // ((rank 0 + rank 1) + rank 2) + ... All ranks give arrays of the same sizes. kUnavailable if a
  // rank has ended; kDeadlineExceeded if one takes longer than `timeout`.
  absl::Status Sum(absl::Span<const absl::Span<float>> values, absl::Duration timeout);

  // Returns the bytes of all ranks, in the order of the ranks. Errors: those of Sum.
  absl::StatusOr<std::vector<std::string>> AllGather(absl::string_view bytes,
                                                     absl::Duration timeout);

  // Not a collective, and does not wait: kUnavailable, naming it, if a rank has ended.
  absl::Status CheckPresence() const;

 private:
  struct Control;

  LocalExchange(int rank, int ranks, int descriptor)
      : rank_(rank), ranks_(ranks), descriptor_(descriptor) {}

  // Maps the memory, and marks this rank as present.
  absl::Status Map();
  char* Slot(int rank) const;
  float* Floats(int rank) const;
  // Replaces out[i] with the sum of the values at begin + i of all slots.
  void AddSlots(int64_t begin, absl::Span<float> out) const;
  // Adds up this rank's part of the first `count` values of all slots, in that of rank 0.
  void AddOwnPart(int64_t count) const;
  // Waits until all ranks are here.
  absl::Status Meet(absl::Duration timeout);

  const int rank_;
  const int ranks_;
  const int descriptor_;
  std::string address_;
  Control* control_ = nullptr;
  size_t bytes_ = 0;  // mapped
  int turn_ = 0;      // which of two sets of slots is used
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_LOCAL_EXCHANGE_H_
