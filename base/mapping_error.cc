// A place of the table, by its `begin`:
//
//   kFree   RecordMapping may take it
//   kBusy   being filled; nobody else reads or writes it
//   other   the address of a mapping; the signal handler may read the rest
//
// The table is a list of blocks, to which RecordMapping appends one where all places are taken. A
// block stays as long as the program, because the handler may read it at any time; its places are
// taken again. The handler allocates nothing and takes no lock.

#include "rcnn/base/mapping_error.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>

#include "rcnn/base/printable.h"

namespace rcnn {
namespace {

constexpr size_t kPlacesOfBlock = 64;
constexpr size_t kMostPathBytes = 480;
constexpr uintptr_t kFree = 0, kBusy = 1;

struct Place {
  std::atomic<uintptr_t> begin{kFree};
  uintptr_t end = 0;
  size_t path_bytes = 0;
  std::array<char, kMostPathBytes> path = {};
};
struct Block {
  std::array<Place, kPlacesOfBlock> places;
  std::atomic<Block*> next{nullptr};
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free &&
                  std::atomic<Block*>::is_always_lock_free,
              "used in a signal handler");

Block first_block;

// Marks a free place as busy and returns it; null if there is no memory for one.
Place* TakePlace() {
  for (Block* block = &first_block;;) {
    for (Place& place : block->places) {
      uintptr_t expected = kFree;
      if (place.begin.compare_exchange_strong(expected, kBusy, std::memory_order_acquire)) {
        return &place;
      }
    }
    Block* next = block->next.load(std::memory_order_acquire);
    if (next == nullptr) {
      Block* const made = new (std::nothrow) Block();
      if (made == nullptr) return nullptr;
      // Otherwise `next` becomes the block that another thread has appended meanwhile.
      if (block->next.compare_exchange_strong(next, made, std::memory_order_acq_rel)) {
        next = made;
      } else {
        delete made;
      }
    }
    block = next;
  }
}

void Print(const char* text, size_t size) {
  // There is nothing to do if it fails.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, size);
}

void HandleSignal(int signal, siginfo_t* info, void*) {
  constexpr char kBefore[] = "error: cannot read ";
  constexpr char kAfter[] = ": the disk reported an error, or the file was cut off meanwhile\n";
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (const Block* block = &first_block; block != nullptr;
       block = block->next.load(std::memory_order_acquire)) {
    for (const Place& place : block->places) {
      const uintptr_t begin = place.begin.load(std::memory_order_acquire);
      if (begin <= kBusy || address < begin || address >= place.end) continue;
      Print(kBefore, sizeof(kBefore) - 1);
      Print(place.path.data(), place.path_bytes);
      Print(kAfter, sizeof(kAfter) - 1);
      _exit(1);
    }
  }
  // Not a mapped file: the access is repeated with the default action. A signal that a process has
  // sent is not repeated by itself.
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  if (info->si_code <= 0) raise(signal);
}

}  // namespace

void InstallMappingErrorHandler() {
  struct sigaction action = {};
  action.sa_sigaction = &HandleSignal;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

void RecordMapping(const void* address, size_t size, const std::string& path) {
  Place* const place = TakePlace();
  if (place == nullptr) return;
  const auto begin = reinterpret_cast<uintptr_t>(address);
  const std::string shown = Printable(path);
  place->end = begin + size;
  place->path_bytes = std::min(shown.size(), kMostPathBytes);
  std::memcpy(place->path.data(), shown.data(), place->path_bytes);
  place->begin.store(begin, std::memory_order_release);
}

void ForgetMapping(const void* address) {
  const auto begin = reinterpret_cast<uintptr_t>(address);
  for (Block* block = &first_block; block != nullptr;
       block = block->next.load(std::memory_order_acquire)) {
    for (Place& place : block->places) {
      uintptr_t expected = begin;
      if (place.begin.compare_exchange_strong(expected, kFree, std::memory_order_release)) return;
    }
  }
}

}  // namespace rcnn
