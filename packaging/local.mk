# Units of systemd, and the configuration they read: written at the first install, never over what is there.
EXTRA_DIST += packaging/cohortd.service.in packaging/cohortd.socket.in packaging/cohortd.sysusers packaging/local.mk
units = packaging/cohortd.service packaging/cohortd.socket
CLEANFILES += $(units)

$(units): %: %.in Makefile
	$(AM_V_GEN)mkdir -p packaging && $(SED) -e 's|[@]bindir[@]|$(bindir)|g; s|[@]sysconfdir[@]|$(sysconfdir)|g' $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@

if HAVE_SYSTEMD
all-local: $(units)
configdir = $(sysconfdir)/cohortd
sysusersdir = $(prefix)/lib/sysusers.d

install-data-hook: $(units)
	$(MKDIR_P) '$(DESTDIR)$(systemdsystemunitdir)' '$(DESTDIR)$(sysusersdir)' '$(DESTDIR)$(configdir)'
	$(INSTALL_DATA) $(units) '$(DESTDIR)$(systemdsystemunitdir)'
	$(INSTALL_DATA) $(srcdir)/packaging/cohortd.sysusers '$(DESTDIR)$(sysusersdir)/cohortd.conf'
	test -e '$(DESTDIR)$(configdir)/cohortd.conf' || \
	    $(INSTALL_DATA) $(srcdir)/docs/cohortd.conf.sample '$(DESTDIR)$(configdir)/cohortd.conf'

uninstall-hook:
	rm -f '$(DESTDIR)$(systemdsystemunitdir)/cohortd.service' '$(DESTDIR)$(systemdsystemunitdir)/cohortd.socket' \
	    '$(DESTDIR)$(sysusersdir)/cohortd.conf'
	! cmp -s $(srcdir)/docs/cohortd.conf.sample '$(DESTDIR)$(configdir)/cohortd.conf' || \
	    rm -f '$(DESTDIR)$(configdir)/cohortd.conf'
	rmdir '$(DESTDIR)$(configdir)' 2>/dev/null || :
endif
